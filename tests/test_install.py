"""clsctl in an environment that holds what it declares and nothing else, as pipx makes one."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from paths import EXAMPLES, ROOT
from tiny_training import write_dataset

SCRATCH = ("--scratch", "--epochs", "1", "-b", "6", "--set", "data.image_size=64")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `clsctl` of a fresh environment: no pip, no setuptools but what is required."""
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python")]
    subprocess.run([*pip, "install", "--quiet", f"{ROOT}[imagenet]"], check=True)
    return environment / "bin" / "clsctl"


def run(command: Path, *arguments: str | Path, cwd: Path) -> str:
    """What it prints; the environment of whoever runs the tests must not help."""
    own = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    words = [str(command), *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=cwd, env=own, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_declared_is_enough(installed: Path, tmp_path: Path):
    table = run(installed, "predict", EXAMPLES / "coffee.png", cwd=tmp_path)
    assert "espresso" in table
    data = write_dataset(tmp_path / "data")
    run(installed, "train", "-m", "MobileNetV1_x0_25", "-d", data, *SCRATCH, cwd=tmp_path)
    run(installed, "export", "--weights", "output", "-o", "exported", "--to", "onnx", cwd=tmp_path)
    assert (tmp_path / "exported" / "inference.onnx").is_file()
    assert "paddle" in run(installed, "doctor", cwd=tmp_path)
