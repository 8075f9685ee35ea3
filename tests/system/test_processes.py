"""A module in a process of its own sees nothing that lies in a folder others may write to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clsctl.system.processes import failure_of, run_module

SHOWS = """
import os, sys, tempfile
from pathlib import Path
print(__name__, sys.argv[1:], os.listdir(), tempfile.gettempdir() == os.getcwd())
Path(tempfile.mkdtemp(), "large").write_bytes(bytes(1000))
sys.exit("these are my last words")
"""


@pytest.fixture
def shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that says how it was started."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "shows.py").write_text(SHOWS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "library"))
    return "shows"


@pytest.mark.parametrize("where", ["the cache", "the user's folder"])
def test_no_planted_module_is_executed(tmp_path, monkeypatch, shows, where):
    """Neither Python's own modules nor those of packages are looked for where work is done."""
    cache, user = tmp_path / "cache", tmp_path / "user"
    for folder in (cache, user):
        folder.mkdir()
    for name in ("tempfile", "yaml", "runpy", "shows"):
        planted = cache if where == "the cache" else user
        (planted / f"{name}.py").write_text("raise SystemExit('planted')\n")
    monkeypatch.chdir(user)
    child = run_module(shows, "a b", folder=cache)
    assert child.stdout == "__main__ ['a b'] [] True\n"
    assert failure_of(child) == "these are my last words"


def test_what_libraries_leave_in_the_temporary_folder_is_removed(tmp_path, shows):
    before = set(tmp_path.iterdir())
    run_module(shows, folder=tmp_path)
    assert set(tmp_path.iterdir()) == before


def test_a_signal_is_named(tmp_path, shows):
    (tmp_path / "library" / "dies.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    child = run_module("dies", folder=tmp_path)
    assert failure_of(child) == "it was ended by signal 9"
    assert sys.executable in child.args


PARENT = """
import sys
from pathlib import Path
from clsctl.system.processes import run_module
run_module("waits", sys.argv[1], folder=Path(sys.argv[2]))
"""
WAITS = """
import sys, time
with open(sys.argv[1], "w") as pipe:
    pipe.write("here")
    pipe.flush()
    time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_it_does_not_outlive_the_process_that_was_killed(tmp_path, shows):
    (tmp_path / "library" / "waits.py").write_text(WAITS)
    os.mkfifo(tmp_path / "pipe")
    command = [sys.executable, "-c", PARENT, tmp_path / "pipe", tmp_path]
    with subprocess.Popen(command) as parent, (tmp_path / "pipe").open() as pipe:
        assert pipe.read(4) == "here"
        parent.kill()
        assert pipe.read() == "", "the pipe ends with the last process that holds it"
