"""A file or folder that was asked for is whole or not there, and what was there before stays."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from clsctl.errors import DataError, UsageError
from clsctl.system.files import atomic_output, new_folder, open_output, require_output_folder


def test_the_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "a" / "b" / "out.txt"
    with open_output(path) as stream:
        stream.write("猫\n")
        assert not path.exists()
    assert path.read_bytes() == "猫\n".encode()
    assert list(path.parent.iterdir()) == [path]


def break_off(path: Path) -> None:
    with open_output(path) as stream:
        stream.write("half")
        raise KeyboardInterrupt


def test_after_a_failure_there_is_what_was_there_before(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt):
        break_off(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path):
    target, link = tmp_path / "folder" / "real.txt", tmp_path / "link.txt"
    target.parent.mkdir()
    target.write_text("before")
    link.symlink_to(target)
    with atomic_output(link) as part:
        part.write_text("after")
    assert link.is_symlink()
    assert target.read_text() == "after"


def test_a_named_pipe_is_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    with open_output(pipe) as stream:
        stream.write("through the pipe")
    reader.join(60)
    assert read == ["through the pipe"]
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("folder", "Is a directory"),
        ("file/out.txt", "Not a directory"),
        ("x" * 300, "File name too long"),
        ("/dev/full", "No space left on device"),
    ],
)
def test_what_the_system_refuses_is_one_sentence(tmp_path, monkeypatch, path, reason):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").touch()
    with pytest.raises(UsageError) as caught, open_output(Path(path)) as stream:
        stream.write("text")
    full = path == "/dev/full"
    start = f"the disk that holds {path} is full" if full else f"cannot write {path}"
    assert caught.value.message == f"{start}: {reason}"
    assert caught.value.code == ("E_DISK_FULL" if full else "E_OUTPUT")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_without_a_path_it_is_standard_output(capsys):
    with open_output(None) as stream:
        stream.write("here\n")
    assert capsys.readouterr().out == "here\n"


# ---- folders -----------------------------------------------------------------------------------


def test_a_new_folder_appears_when_it_is_complete(tmp_path):
    target = tmp_path / "deep" / "made"
    with new_folder(target) as folder:
        (folder / "a").write_text("a")
        assert not target.exists()
    assert (target / "a").read_text() == "a"
    assert [path.name for path in target.parent.iterdir()] == ["made"]


def test_a_new_folder_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(DataError), new_folder(tmp_path / "made") as folder:  # noqa: PT012
        (folder / "a").write_text("a")
        raise DataError("no")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("present", ["before", "meanwhile"])
def test_a_new_folder_replaces_nothing(tmp_path, present):
    target = tmp_path / "made"
    if present == "before":
        target.mkdir()
    with pytest.raises(DataError) as caught, new_folder(target):
        target.mkdir()
    assert caught.value.code == "E_EXISTS"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_a_new_folder_that_the_system_refuses(tmp_path):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "made"
    with pytest.raises(UsageError) as caught, new_folder(path):
        raise AssertionError("there is no folder to work in")
    assert caught.value.message == f"cannot write {path}: Not a directory"
    assert caught.value.code == "E_OUTPUT"


@pytest.mark.parametrize(
    ("path", "reason"), [("x" * 300, "File name too long"), ("file/out", "Not a directory")]
)
def test_a_folder_that_could_not_be_made_is_found_out_before_the_work(tmp_path, path, reason):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=reason) as caught:
        require_output_folder(tmp_path / path)
    assert caught.value.code == "E_OUTPUT"
    require_output_folder(tmp_path / "new" / "below")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
