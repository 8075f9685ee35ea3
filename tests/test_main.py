from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import made_plugins
import pytest
from tiny_training import write_dataset

import clsctl as package

HEAVY = ("paddle", "cv2", "onnxruntime", "numpy", "PIL", "httpx", "yaml")


def test_version(clsctl):
    assert clsctl("--version").stdout == f"clsctl {package.__version__}\n"


def test_help_names_every_command(clsctl):
    done = clsctl("--help")
    for name in ("predict", "models", "plugins", "config", "doctor"):
        assert f"\n  {name} " in done.stdout


SWALLOWING = """
import re
import signal
from clsctl.plugin import Command, hookimpl

def swallow() -> None:
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise ImportError("initialization failed")

@hookimpl
def clsctl_commands() -> list[Command]:
    return [Command("swallow", "As a library that is being imported.", run=swallow)]
"""


def test_ctrl_c_is_one_line_whatever_a_library_makes_of_it(clsctl, tmp_path):
    env = made_plugins.install(tmp_path / "site", "swallowing", SWALLOWING)
    done = clsctl("swallow", env=env)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "error: interrupted [E_INTERRUPTED]\n"


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("models", "list")])
def test_light_commands_import_nothing_heavy(arguments):
    code = (
        "import sys; from clsctl.main import run; assert run(sys.argv[1:]) == 0; "
        f"print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stderr == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "message", "command"),
    [
        (["predcit"], "no such command 'predcit'. Did you mean 'predict'?", "clsctl"),
        (["models", "lst"], "no such command 'lst'. Did you mean 'list'?", "clsctl models"),
        (["predict"], "missing argument 'INPUT...'", "clsctl predict"),
        (
            ["predict", "x.jpg", "--ofline"],
            "no such option: --ofline (Possible options: --offline)",
            "clsctl predict",
        ),
        (["predict", "x.jpg", "-k"], "option '-k' requires an argument", "clsctl predict"),
        (
            ["models", "list", "--min-top1", "x"],
            "invalid value for '--min-top1': 'x' is not a valid float",
            "clsctl models list",
        ),
    ],
)
def test_a_wrong_command_line_is_an_error_like_every_other(clsctl, arguments, message, command):
    done = clsctl(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    hint = f"hint: `{command} --help` shows what it takes\n"
    assert done.stderr == f"error: {message} [E_USAGE]\n{hint}"
    as_json = clsctl(*arguments, "--format", "json")
    assert json.loads(as_json.stderr)["error"]["code"] == "E_USAGE"


def test_a_command_of_a_plugin_that_is_not_there_is_said_with_how_to_install_it(clsctl):
    done = clsctl("serve", "-m", "PP-LCNet_x1_0", env={"CLSCTL_DISABLED_PLUGINS": "serve"})
    assert (done.returncode, done.stdout) == (2, "")
    error, hint = done.stderr.splitlines()
    assert error == "error: no such command 'serve' [E_USAGE]"
    said, _, source = hint.rpartition(" ")
    assert said == "hint: the plugin clsctl-serve brings it: clsctl plugins install"
    assert source == "clsctl-serve" or (Path(source) / "pyproject.toml").is_file()


def test_a_group_alone_prints_its_help(clsctl):
    done = clsctl("models")
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout == clsctl("models", "--help").stdout


def test_with_format_json_errors_are_json_too(clsctl):
    done = clsctl("predict", "x.jpg", "-m", "PP-LCNet_x1_O", "--format", "json")
    assert (done.returncode, done.stdout) == (4, "")
    error = json.loads(done.stderr)["error"]
    assert error["code"] == "E_MODEL_UNKNOWN"
    assert "PP-LCNet_x1_0" in error["message"]


def test_brackets_in_a_message_are_not_markup(clsctl):
    done = clsctl("predict", "x.jpg", "-m", "[bold]x[/nope]")
    assert "[bold]x[/nope]" in done.stderr
    assert done.returncode == 4


def test_piped_output_holds_no_colour_and_is_utf_8(clsctl):
    done = clsctl("models", "show", "PP-LCNet_x1_0", env={"LC_ALL": "C", "LANG": "C"})
    assert done.returncode == 0
    assert "\x1b" not in done.stdout


@pytest.fixture
def without_paddle(tmp_path: Path) -> dict[str, str]:
    """The environment of the light one-file build."""
    absent = 'raise ModuleNotFoundError("No module named \'paddle\'", name="paddle")'
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "paddle.py").write_text(absent)
    return {"PYTHONPATH": str(tmp_path / "site")}


def test_without_paddle_what_needs_it_says_so(clsctl, tmp_path, without_paddle):
    data = write_dataset(tmp_path / "data")
    words = ("train", "-m", "MobileNetV1_x0_25", "-d", data, "--scratch", "--epochs", "1")
    done = clsctl(*words, env=without_paddle)
    assert done.returncode == 6
    said = "error: this needs PaddlePaddle, which is not installed [E_PADDLE_MISSING]\nhint: "
    assert said in done.stderr
    assert re.search(r"pip install (--python \S+ )?paddlepaddle\n$", done.stderr)


@pytest.mark.parametrize("command", ["list", "check"])
def test_without_paddle_plugins_are_listed_but_for_networks(clsctl, without_paddle, command):
    done = clsctl("plugins", command, env=without_paddle)
    assert done.returncode == 0, done.stderr
    assert "note: architectures are left out, since PaddlePaddle is not installed" in done.stderr
