"""`--offline` holds in every process: no internet socket, and no file where none belongs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import no_internet
import pytest
from paths import EXAMPLES
from tiny_training import MODEL, write_dataset

TRAIN = ("-m", MODEL, "--scratch", "--epochs", "1", "-b", "6", "--set", "data.image_size=64")


@pytest.fixture
def user(tmp_path: Path, home: Path) -> dict[str, str]:
    """The environment of a user whose home folder is empty."""
    folder = tmp_path / "user"
    folder.mkdir()
    kept = ("PATH", "CLSCTL_HOME", "LANG", "PYTHONPATH", "CLSCTL_THREADS")
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "HOME": str(folder),
        "TMPDIR": str(tmp_path / "tmp"),
        "CLSCTL_OFFLINE": "1",
    }


def offline(user: dict[str, str], cwd: Path, *arguments: str | Path) -> None:
    """Run `clsctl ARGUMENTS`, with every internet socket forbidden to it and its children."""
    Path(user["TMPDIR"]).mkdir(exist_ok=True)
    done = subprocess.run(
        [
            sys.executable,
            no_internet.__file__,
            sys.executable,
            "-m",
            "clsctl",
            *map(str, arguments),
        ],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=user,
        check=False,
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stderr}"


def test_the_filter_kills_what_opens_an_internet_socket(tmp_path: Path):
    code = "import socket; socket.socket(socket.AF_INET)"
    command = [sys.executable, no_internet.__file__, sys.executable, "-c", code]
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode != 0


@pytest.mark.usefixtures("one_thread")
def test_no_command_opens_a_socket_or_writes_elsewhere(user, tiny, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    data = write_dataset(tmp_path / "data")
    before = sorted(data.rglob("*"))
    photo = EXAMPLES / "coffee.png"
    for backend in ("onnxruntime", "openvino", "paddle"):
        predict = ("predict", photo, "--model-dir", tiny, "--backend", backend)
        offline(user, work, *predict, "-o", f"{backend}.jsonl")
    offline(user, work, "train", *TRAIN, "-d", data)
    offline(user, work, "eval", "-d", data, "--weights", "output", "-o", "eval")
    offline(user, work, "export", "--weights", "output", "-o", "exported", "--to", "onnx")
    outputs = {"onnxruntime.jsonl", "openvino.jsonl", "paddle.jsonl", "output", "eval", "exported"}
    assert {path.name for path in work.iterdir()} == outputs
    # Paddle makes this folder when it is imported, and puts nothing into it.
    files = [path for path in Path(user["HOME"]).rglob("*") if not path.is_dir()]
    assert files == []
    assert sorted(data.rglob("*")) == before
