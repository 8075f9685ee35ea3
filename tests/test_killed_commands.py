"""Commands that are really killed with what they write half done: the next one removes it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import models
import pictures
import pytest
from fixtures import Run

# Kills itself when what it has written below a folder is about to get its name.
KILLED = """
import os, signal, sys
folder = sys.argv.pop(1)
def kill(event, arguments):
    if event == "os.rename":
        source = os.path.abspath(os.fsdecode(arguments[0]))
        if source.startswith(folder) and os.path.basename(source).startswith(".clsctl-"):
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(kill)
from clsctl.main import main
main()
"""
HOLDS = """
import sys
from pathlib import Path
from clsctl.system.temporary import temporary_file
with temporary_file(Path(sys.argv[1])) as path:
    print(path, flush=True)
    sys.stdin.read()
"""


@contextmanager
def holding(folder: Path) -> Iterator[Path]:
    """A process that lives, and its temporary file in the folder."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLDS, folder], text=True, **pipes) as process:
        assert process.stdout
        yield Path(process.stdout.readline().rstrip("\n"))
        process.communicate()


def left_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob(".clsctl-*.tmp"))


@pytest.fixture
def commands(tmp_path: Path, run: Path, ready: Path, clsctl: Run) -> dict[str, list[str]]:
    """Commands that write a file or a folder to `out`, in the current folder."""
    photo = {"photo.png": pictures.encoded(pictures.photo(), "PNG")}
    image = str(pictures.write(tmp_path / "photos", photo)["photo.png"])
    assert clsctl("models", "import", ready, "--name", "mine").returncode == 0
    predict = ["predict", image, "--model-dir", str(ready), "-o"]
    return {
        "predict": [*predict, "out/res.json"],
        "predict lines": [*predict, "out/res.jsonl"],
        "export": ["export", "-m", str(run), "-o", "out/model"],
        "models bundle": ["models", "bundle", "mine", "-o", "out/models.clsctl"],
        "dataset export": ["dataset", "export", "data", "out/lists"],
    }


NAMES = ["predict", "predict lines", "export", "models bundle", "dataset export"]


@pytest.mark.parametrize("name", NAMES)
def test_what_a_killed_command_left_is_removed_and_nothing_of_a_living_one(
    tmp_path: Path, clsctl: Run, commands: dict[str, list[str]], dataset: Path, name: str
):
    (tmp_path / "data").symlink_to(dataset)
    output = tmp_path / "out"
    output.mkdir()
    killed = kill(output, commands[name], tmp_path)
    assert killed == -signal.SIGKILL
    assert left_in(output)
    with holding(output) as held:
        done = clsctl(*commands[name])
        assert done.returncode == 0, done.stderr
        assert left_in(output) == [held]
    assert len(list(output.iterdir())) == 1


def kill(folder: Path, command: list[str], cwd: Path) -> int:
    """Run a command, killed as soon as it has written something below the folder."""
    words = [sys.executable, "-c", KILLED, str(folder) + os.sep, *command]
    return subprocess.run(words, cwd=cwd, capture_output=True, check=False).returncode


@pytest.mark.skipif(models.BACKEND != "onnxruntime", reason="nothing is converted for Paddle")
def test_what_a_killed_conversion_left_in_the_cache_is_removed(
    tmp_path: Path, clsctl: Run, tiny: Path, home: Path
):
    photo = {"photo.png": pictures.encoded(pictures.photo(), "PNG")}
    image = str(pictures.write(tmp_path / "photos", photo)["photo.png"])
    command = ["predict", image, "--model-dir", str(tiny)]
    assert kill(home / "cache" / "onnxruntime", command, tmp_path) == -signal.SIGKILL
    left = left_in(home)
    assert len(left) == 1
    with holding(left[0].parent) as held:
        assert clsctl(*command).returncode == 0
        assert left_in(home) == [held]
