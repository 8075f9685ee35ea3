"""Paths that may be anything: predicates that never raise, and nothing opened that may hang."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from clsctl.paths import exists, is_dir, is_file, open_regular, read_bytes, read_text, why_missing

HARD = ["n" * 300, "a\0b", "", "file/below"]
REASONS = ["file name too long", "null", "no such file", "not a directory"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_bytes(b"a\r\nb\n")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "link").symlink_to("file")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    return tmp_path


@pytest.mark.parametrize(("path", "reason"), list(zip(HARD, REASONS, strict=True)))
@pytest.mark.usefixtures("folder")
def test_a_path_that_cannot_be_is_not_there_and_it_is_said_why(path: str, reason: str) -> None:
    assert not any(ask(path) for ask in (is_file, is_dir, exists))
    assert reason in why_missing(path)


def test_the_predicates_tell_files_from_folders(folder: Path) -> None:
    assert is_file("link")
    assert is_dir(folder)
    assert exists("pipe")
    assert not is_file("pipe")
    assert not is_file(folder)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("pipe", "named pipe"),
        ("zero", "device"),
        ("/dev/tty0", "device|[Nn]o such|denied"),
        ("socket", "No such device"),
        (".", "directory"),
        ("none", "No such file"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_only_regular_files_are_opened(name: str, reason: str) -> None:
    with pytest.raises(OSError, match=reason):
        open_regular(name)


@pytest.mark.usefixtures("folder")
def test_a_file_is_read_as_a_whole_also_where_its_size_is_not_known() -> None:
    assert read_bytes("link") == b"a\r\nb\n"
    assert read_text("link") == "a\nb\n"
    assert read_text("/proc/self/status").startswith("Name:")


@pytest.mark.parametrize("path", ["file", "/proc/self/status"])
@pytest.mark.usefixtures("folder")
def test_no_more_than_the_limit_is_read(path: str) -> None:
    with pytest.raises(OSError, match="more than 4 bytes"):
        read_bytes(path, limit=4)


def test_a_log_of_the_kernel_does_not_block() -> None:
    """It is a regular file by its kind, and reading waits for the next message."""
    if not os.access("/proc/kmsg", os.R_OK):
        pytest.skip("only root may read it")
    assert isinstance(read_bytes("/proc/kmsg"), bytes)
