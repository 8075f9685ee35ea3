"""Temporary files belong to the process that made them, and end with it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import killing
import pytest

from clsctl.system.files import atomic_replace, new_folder
from clsctl.system.temporary import scratch_folder, sweep, temporary_file, temporary_folder

WAITS = """
import sys
from pathlib import Path
from clsctl.system.temporary import {0}
with {0}(Path(sys.argv[1])) as path:
    print(path, flush=True)
    sys.stdin.read()
"""
SWEEPS = """
import sys
from pathlib import Path
from clsctl.system.temporary import sweep
print("ready", flush=True)
while True:
    sweep.__wrapped__(Path(sys.argv[1]))
"""
WRITES = """
import sys
from pathlib import Path
from clsctl.system.files import atomic_replace
with atomic_replace(Path(sys.argv[1])) as part:
    part.write_text("new")
"""


def start(kind: str, folder: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process that holds a temporary file or folder until its standard input ends."""
    command = [sys.executable, "-c", WAITS.format(kind), folder]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, **pipes)
    return process, Path(process.stdout.readline().rstrip("\n"))


def write(path: Path) -> None:
    """Replace a file in a process of its own: what is swept is looked for once in each."""
    subprocess.run([sys.executable, "-c", WRITES, path], check=True)


@pytest.mark.parametrize("kind", ["temporary_file", "temporary_folder"])
def test_what_a_killed_process_left_is_removed_and_what_a_running_one_holds_is_not(tmp_path, kind):
    (alive, held), (dead, left) = start(kind, tmp_path), start(kind, tmp_path)
    if kind == "temporary_folder":
        (left / "below").mkdir()
        (left / "below" / "file").write_bytes(bytes(1000))
    dead.kill()
    dead.communicate()
    assert left.exists()
    write(tmp_path / "out.txt")
    assert sorted(tmp_path.iterdir()) == sorted([held, tmp_path / "out.txt"])
    alive.communicate()
    assert list(tmp_path.iterdir()) == [tmp_path / "out.txt"]


@pytest.mark.parametrize("temporary", [temporary_file, temporary_folder])
def test_what_is_made_while_another_process_sweeps_is_there(tmp_path, temporary):
    """It can be swept between any two things that making it asks of the system."""
    command = [sys.executable, "-c", SWEEPS, tmp_path]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE) as sweeper:
        try:
            assert sweeper.stdout.readline() == "ready\n"
            for _ in range(2000):
                with temporary(tmp_path) as path:
                    assert path.exists()
        finally:
            sweeper.kill()
    sweep.__wrapped__(tmp_path)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("work", ["file", "folder"])
def test_wherever_it_is_killed_the_next_start_leaves_the_result_alone(tmp_path, work):
    """At the n-th thing that is asked of the system, for every n."""

    def replace() -> None:
        with atomic_replace(tmp_path / "out") as part:
            part.write_text("whole")

    def make() -> None:
        with new_folder(tmp_path / "out") as part:
            (part / "file").write_text("whole")

    step = 1
    while killing.killed_at(step, replace if work == "file" else make):
        write(tmp_path / "next.txt")
        left = {path.name for path in tmp_path.iterdir()}
        assert left in ({"next.txt"}, {"next.txt", "out"})
        if "out" in left:
            out = tmp_path / "out"
            assert (out / "file" if work == "folder" else out).read_text() == "whole"
        step += 1
        if work == "folder" and "out" in left:
            break
    assert step > 3


def test_a_file_that_only_looks_alike_stays(tmp_path):
    names = [".out.txt.123.tmp", ".clsctl-notes.txt", "clsctl-1.tmp", ".hidden"]
    for name in names:
        (tmp_path / name).write_text("mine")
    (tmp_path / ".clsctl-link.tmp").symlink_to(tmp_path / ".hidden")
    write(tmp_path / "out.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [*names, "out.txt", ".clsctl-link.tmp"]
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's file")
def test_another_users_file_stays(tmp_path):
    left = tmp_path / ".clsctl-0.tmp"
    left.touch()
    os.chown(left, 12345, -1)
    write(tmp_path / "out.txt")
    assert left.exists()


def test_names_cannot_be_foreseen_and_no_planted_link_is_followed(tmp_path):
    """A link is put wherever a name was seen before, and at the names of earlier versions."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder = tmp_path / "folder"
    folder.mkdir()
    with temporary_file(folder) as first:
        pass
    for name in (first.name, f".out.txt.{os.getpid()}.tmp"):
        (folder / name).symlink_to(victim)
    with atomic_replace(folder / "out.txt") as part:
        assert not part.is_symlink()
        part.write_text("new")
    assert victim.read_text() == "precious"
    assert (folder / "out.txt").read_text() == "new"


def test_permissions_are_those_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_replace(tmp_path / "file"), new_folder(tmp_path / "folder"):
            pass
        with temporary_folder(tmp_path, 0o700) as private:
            assert stat.S_IMODE(private.stat().st_mode) == 0o700
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o750


def test_a_scratch_folder_is_this_users_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch_folder() as folder:
        assert folder.parent == tmp_path
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not any(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_no_failure_of_the_sweep(tmp_path):
    sweep(tmp_path / "nowhere")
