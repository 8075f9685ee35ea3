"""`-q` and `-v`: how much a command says beside its results."""

from __future__ import annotations

import logging
import os
import pty
import subprocess
import sys

import pictures
import pytest

from clsctl.console.messages import note


@pytest.fixture
def image(tmp_path):
    pictures.write(tmp_path, {"a.png": pictures.encoded(pictures.photo(), "PNG")})
    return tmp_path / "a.png"


def test_quiet_prints_the_results_alone(call, ready, image):
    said = call("predict", image, "-m", ready, "-o", "r.csv")
    assert "1 result in r.csv" in said.stderr
    done = call("predict", image, "-m", ready, "-o", "q.csv", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert call("predict", "none.png", "-m", ready, "-q").stderr.startswith("error: 1 of 1 inputs")


def test_verbose_says_the_settings_and_where_an_error_arose(call, ready, image, monkeypatch):
    monkeypatch.setenv("CLSCTL_THREADS", "1")
    said = call("predict", image, "-m", ready, "-v").stderr.splitlines()
    assert any(
        line.startswith("settings: ") and "threads = 1 (CLSCTL_THREADS)" in line for line in said
    )
    assert any(line.endswith(" s") for line in said)
    failed = call("predict", image, "-m", "ResNet_0", "--verbose")
    assert failed.returncode == 4
    assert "Traceback (most recent call last):" in failed.stderr
    assert "error: unknown model 'ResNet_0'" in failed.stderr
    assert "Traceback" not in call("predict", image, "-m", "ResNet_0").stderr


def test_a_terminal_shows_how_many_are_done_of_all_and_how_fast(ready, tmp_path):
    content = pictures.encoded(pictures.photo(), "PNG")
    pictures.write(tmp_path / "photos", {f"{number}.png": content for number in range(12)})
    command = [sys.executable, "-m", "clsctl", "predict", "photos", "-m", ready, "-o", "r.jsonl"]
    terminal, end = pty.openpty()
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        variables = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
        child = subprocess.Popen(command, cwd=tmp_path, stderr=end, env=variables)
        os.close(end)
        shown = b"".join(iter(lambda: _read(screen), b"")).decode()
    assert child.wait() == 0
    assert "12/12" in shown
    assert "images/s" in shown


def _read(screen):
    try:
        return screen.read(4096)
    except OSError:  # Linux's way to say that nobody writes any more.
        return b""


def test_a_program_chooses_by_the_level_of_the_logger(capsys, caplog):
    with caplog.at_level(logging.WARNING, logger="clsctl"):
        note("nobody reads this")
    note("but this")
    assert capsys.readouterr().err == "note: but this\n"
