"""The variables that training needs: `clsctl train` starts over with them, no other program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_training import MODEL, OPTIONS, write_dataset

HOST = """
import sys
from clsctl import main
print("begun", flush=True)
sys.exit(main.run(sys.argv[1:]))
"""

pytestmark = pytest.mark.usefixtures("one_thread")


def train(tmp_path: Path) -> list[str]:
    data = write_dataset(tmp_path / "data")
    return ["train", "-m", MODEL, *OPTIONS, "-d", str(data), "-o", str(tmp_path / "run")]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says what a process was started with")
def test_the_command_starts_over_with_them_as_the_same_process(tmp_path: Path):
    command = [sys.executable, "-m", "clsctl", *train(tmp_path)]
    environment = {name: text for name, text in os.environ.items() if "MALLOC" not in name}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        stderr = process.stderr
        assert stderr is not None
        assert stderr.readline().startswith(f"note: {MODEL} on cpu")
        variables = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
        assert b"MALLOC_ARENA_MAX=1" in variables
        said = stderr.read()
    assert process.returncode == 0, said


def test_another_program_is_not_started_over(tmp_path: Path):
    """Its main module may have the name that clsctl's has."""
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "__main__.py").write_text(HOST)
    command = [sys.executable, "-m", "host", *train(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("begun") == 1
