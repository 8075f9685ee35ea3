"""scripts/one_file/launcher.sh, the beginning of the one-file build, before a small archive."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from one_file.archive import pack, write_executable

pytestmark = pytest.mark.skipif(
    not shutil.which("flock"), reason="the file is for Linux, where every distribution has flock"
)

NOTE = "note: unpacking clsctl 1.2.3 into the cache, once\n"
PYTHON = '#!/bin/sh\nshift\nprintf "%s|" "$@" "$PYTHONUSERBASE" "${PYTHONPATH-unset}"\n'
TAR = '#!/bin/sh\necho >>"$LOG"\nread -r _ <"$GATE"\nexec {tar} "$@"\n'


class OneFile:
    """A file whose Python prints its arguments, and the user who runs it."""

    def __init__(self, folder: Path) -> None:
        root = folder / "root"
        for path, text in {"bin/python3": PYTHON, "bin/clsctl": "", "lib/some.so": "x"}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        (root / "bin" / "python3").chmod(0o755)
        pack(root, folder / "payload")
        self.path = folder / "clsctl"
        write_executable(folder / "payload", self.path, flavour="clsctl", version="1.2.3")
        self.home = folder / "home"
        self.releases = self.home / "cache" / "one-file" / "clsctl"
        self.environment = os.environ | {"CLSCTL_HOME": str(self.home)}

    def start(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.path), *words],
            env=self.environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str, **variables: str) -> tuple[int, str, str]:
        process = self.start(*words, **variables)
        out, err = process.communicate()
        return process.returncode, out, err

    def unpacked(self) -> list[str]:
        return sorted(path.name.partition("-")[0] for path in self.releases.iterdir())


@pytest.fixture
def one_file(tmp_path: Path) -> OneFile:
    return OneFile(tmp_path)


@pytest.fixture
def slow(one_file: OneFile, tmp_path: Path) -> dict[str, str]:
    """The variables by which tar writes to a log, and then waits until somebody opens a gate."""
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "tar").write_text(TAR.format(tar=shutil.which("tar")))
    (tmp_path / "slow" / "tar").chmod(0o755)
    os.mkfifo(tmp_path / "gate")
    return {
        "PATH": f"{tmp_path / 'slow'}:{os.environ['PATH']}",
        "LOG": str(tmp_path / "log"),
        "GATE": str(tmp_path / "gate"),
    }


def test_it_unpacks_itself_once_and_hands_its_arguments_on(one_file):
    out = f"a b|*||{one_file.home}/plugins|unset|"
    assert one_file.run("a b", "*", "", PYTHONPATH="/elsewhere") == (0, out, NOTE)
    assert one_file.run("a b", "*", "", PYTHONPATH="/elsewhere") == (0, out, "")
    assert one_file.unpacked() == ["1.2.3"]


def test_of_two_that_start_at_once_one_unpacks(one_file, slow):
    first = one_file.start(**slow)
    with Path(slow["GATE"]).open("w") as gate:  # waits until the first one's tar does
        second = one_file.start(**slow)
        assert second.stderr.readline() == NOTE
        gate.write("go on\n" * 2)
        gate.flush()
        for process in (first, second):
            process.communicate()
    assert (first.returncode, second.returncode) == (0, 0)
    assert Path(slow["LOG"]).read_text() == "\n"
    assert one_file.unpacked() == ["1.2.3"]


def test_one_that_waits_takes_over_from_one_that_was_killed(one_file, slow):
    first = one_file.start(**slow)
    with Path(slow["GATE"]).open("w"):
        second = one_file.start()
        assert second.stderr.readline() == NOTE
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()
    assert second.communicate()[1] == ""
    assert second.returncode == 0
    assert one_file.unpacked() == ["1.2.3"]


def test_on_a_file_system_without_locks_both_unpack(one_file, slow, tmp_path):
    (tmp_path / "slow" / "flock").symlink_to(shutil.which("false"))
    both = [one_file.start(**slow), one_file.start(**slow)]
    with Path(slow["GATE"]).open("w") as gate:
        gate.write("go on\n" * 2)
        gate.flush()
        said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert one_file.unpacked() == ["1.2.3"]


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_the_next_one_removes_what_a_killed_one_left(one_file, slow, sent):
    process = one_file.start(**slow)
    with Path(slow["GATE"]).open("w"):
        os.killpg(process.pid, sent)
        process.communicate()
    assert process.returncode in (-sent, 130)
    assert one_file.run()[2] == NOTE
    assert one_file.unpacked() == ["1.2.3"]


def test_other_releases_go_unless_they_run(one_file, tmp_path):
    """Also where the cache is reached by a link, while the system names a process's real path."""
    elsewhere = tmp_path / "disk"
    elsewhere.mkdir()
    one_file.home.symlink_to(elsewhere)
    for release in ("0.0.1-a", "0.0.2-b"):
        (one_file.releases / release / "bin").mkdir(parents=True)
        shutil.copy2(shutil.which("sleep"), one_file.releases / release / "bin" / "python3")
    running = subprocess.Popen([one_file.releases / "0.0.2-b" / "bin" / "python3", "600"])
    try:
        assert one_file.run()[0] == 0
    finally:
        running.kill()
        running.wait()
    assert one_file.unpacked() == ["0.0.2", "1.2.3"]


def test_a_damaged_file_is_refused(one_file):
    with one_file.path.open("r+b") as stream:
        stream.seek(-5, os.SEEK_END)
        stream.write(b"?")
    status, out, err = one_file.run()
    assert (status, out) == (1, "")
    assert f"{one_file.path} is damaged: its checksum is not what it should be" in err
    assert one_file.unpacked() == []


def test_a_cache_that_cannot_be_written(one_file):
    one_file.home.write_text("not a folder")
    status, out, err = one_file.run()
    assert (status, out) == (1, "")
    assert f"cannot write to {one_file.home}/cache; set CLSCTL_HOME to another folder" in err


def test_without_a_home_folder_it_says_what_to_set(one_file):
    for name in ("CLSCTL_HOME", "XDG_CACHE_HOME", "HOME"):
        one_file.environment.pop(name, None)
    status, out, err = one_file.run()
    assert (status, out) == (2, "")
    assert "set CLSCTL_HOME to a folder" in err
