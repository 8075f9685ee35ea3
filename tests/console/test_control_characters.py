"""Whatever a name, an answer or an error holds, no terminal obeys it."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path

import image_datasets
import made_plugins
import pytest
import servers
from hypothesis import given
from hypothesis import strategies as st

from clsctl.console.tables import Text, new_table, open_console, stack
from clsctl.console.text import printable_text, to_json

EVIL = "a\x1b]0;title\x07\x1b[2J\r\nerror: b\x9bm\u202e\u2028\x7f.jpg"
SHOWN = r"a\x1b]0;title\x07\x1b[2J\r\nerror: b\x9bm\u202e\u2028\x7f.jpg"
DIRECTIONS = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


def obeyed(text: str) -> set[str]:
    """What a terminal would not show but do, line breaks aside."""
    return {
        char
        for char in text
        if char != "\n"
        and (
            unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
            or unicodedata.bidirectional(char) in DIRECTIONS
        )
    }


def require_shown(done, shown: str = SHOWN) -> None:
    assert shown in done.stdout + done.stderr
    assert obeyed(done.stdout) == obeyed(done.stderr) == set()


@given(st.text())
def test_no_text_holds_anything_that_a_terminal_would_obey(text):
    shown = printable_text(text)
    assert "\n" not in shown
    assert obeyed(shown) == set()
    if not obeyed(text) and "\n" not in text:
        assert shown == text


@given(st.text())
def test_json_is_the_same_data(text):
    text = text.encode("utf-8", "replace").decode("utf-8")
    written = to_json({"name": text}, indent=2)
    assert json.loads(written) == {"name": text}
    assert obeyed(written) == set()


def test_a_console_shows_strings_text_and_cells(capsys):
    table = new_table("Name\x1b")
    for cell in (EVIL, Text(EVIL), stack([EVIL, EVIL])):
        table.add_row(cell)
    console = open_console()
    console.width = 200
    console.print(EVIL)
    console.print(Text.assemble((EVIL, "bold"), EVIL))
    console.print(table)
    out = capsys.readouterr().out
    assert out.count(SHOWN) == 7
    assert obeyed(out) == set()


def test_the_name_of_a_file(ready, call, tmp_path):
    (tmp_path / EVIL).write_bytes(b"no image")
    for format_ in ("table", "json", "jsonl", "csv"):
        done = call("predict", tmp_path, "--model-dir", ready, "--format", format_)
        assert done.returncode == 7
        assert obeyed(done.stderr) == set()
        if format_ == "table":
            require_shown(done)
        if format_ == "jsonl":
            assert json.loads(done.stdout)["input_path"].endswith(EVIL)
            assert obeyed(done.stdout) == set()


def test_a_byte_that_is_not_utf8(ready, call, tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\x1b.jpg")).write_bytes(b"no image")
    require_shown(call("predict", tmp_path, "--model-dir", ready), r"/?\x1b.jpg")


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", EVIL, "--model-dir", "x"),
        ("predict", "x.jpg", "--model-dir", EVIL),
        ("predict", "x.jpg", "-m", EVIL),
        ("models", "show", EVIL),
        ("models", "path", EVIL),
        ("models", "import", EVIL),
        ("dataset", "check", EVIL),
        ("train", "-c", EVIL),
        ("eval", "-d", EVIL, "-m", "PP-LCNet_x1_0"),
        (EVIL,),
        ("predict", f"--{EVIL}"),
    ],
)
def test_arguments(call, arguments):
    done = call(*arguments)
    assert done.returncode != 0
    assert obeyed(done.stdout + done.stderr) == set()
    assert "\nerror: b" not in done.stderr


def test_settings(call, monkeypatch):
    monkeypatch.setenv("CLSCTL_MIRRORS", EVIL)
    monkeypatch.setenv("CLSCTL_DISABLED_PLUGINS", EVIL)
    for command in (("config", "show"), ("doctor", "--offline")):
        done = call(*command)
        assert obeyed(done.stdout + done.stderr) == set()


def test_class_names(call, tmp_path):
    root = image_datasets.tree(tmp_path / "ds", {f"train/{EVIL}": 2, r"train/$\frac{$": 2})
    for command in ("check", "stats"):
        done = call("dataset", command, root)
        assert obeyed(done.stdout + done.stderr) == set()
    assert r"\x1b" in done.stdout


def test_what_a_server_says(ready, call):
    def answer(visit: servers.Visit) -> None:
        visit.send_response(404, "no\x1b[31m \x9bfile")
        visit.send_header("Content-Length", "0")
        visit.end_headers()

    with servers.serving({"/a.jpg": answer}) as site:
        done = call("predict", f"{site.url}/a.jpg", "--model-dir", ready)
    assert done.returncode == 7
    assert obeyed(done.stdout + done.stderr) == set()


def test_what_a_plugin_raises(clsctl, tmp_path):
    env = made_plugins.install(tmp_path, "evil", f"raise RuntimeError({EVIL!r})")
    for command in (("models", "list"), ("doctor", "--offline"), ("plugins", "list")):
        require_shown(clsctl(*command, env=env), r"a\x1b]0;title\x07\x1b[2J")


def test_the_traceback_of_a_bug(clsctl, tmp_path):
    code = (
        "from clsctl.plugin import Command, hookimpl\n"
        f"def fail() -> None:\n    raise RuntimeError({EVIL!r})\n"
        "@hookimpl\n"
        "def clsctl_commands():\n    return [Command('evil', 'Fail.', fail)]\n"
    )
    done = clsctl("evil", env=made_plugins.install(tmp_path, "evil", code))
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert obeyed(done.stderr) == set()
