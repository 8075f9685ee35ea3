"""Durable writes: files and folders that appear whole or not at all, checksums, free space."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TextIO, TypedDict

from clsctl.errors import ClsctlError, DataError, UsageError
from clsctl.paths import exists, is_dir, is_file, open_regular
from clsctl.system.os_errors import translate_os_errors
from clsctl.system.temporary import temporary_file, temporary_folder

# ---- write -------------------------------------------------------------------------------------


@contextmanager
def atomic_replace(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; what the block writes there takes its place at the end.

    After an error nothing is left of it, and `path` is as it was.
    """
    with temporary_file(path.parent) as temporary:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)


@contextmanager
def atomic_output(path: Path) -> Iterator[Path]:
    """Yield the place to write a file that the user asked for; it appears when the block ends.

    Missing folders are made. A device or a named pipe is written to as it is, and a link is
    followed.

    Raises:
        UsageError: The system refused, for instance because the disk is full (`E_OUTPUT`).
    """
    with translate_os_errors(path):
        if exists(path) and not is_file(path):
            yield path
            return
        if not exists(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_replace(path.resolve()) as part:
            yield part


@contextmanager
def open_output(path: Path | None) -> Iterator[TextIO]:
    """Open a text file as `atomic_output` does; standard output where there is no path.

    Names of files need not be UTF-8, but the text is: it gets `?` for what is not.
    """
    if path is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    with (
        atomic_output(path) as part,
        part.open("w", encoding="utf-8", errors="replace", newline="") as stream,
    ):
        yield stream


@contextmanager
def new_folder(
    path: Path,
    error: type[ClsctlError] = UsageError,
    code: str = "E_OUTPUT",
    hint: str = "",
) -> Iterator[Path]:
    """Yield a temporary folder beside `path`, which takes that name at the end of the block.

    After an error nothing is left of it.

    Args:
        path: The new folder; the folders above it are made where they are missing.
        error: What an OSError becomes; see `translate_os_errors`.
        code: Its code.
        hint: Its hint.

    Raises:
        DataError: There is something at `path` already (`E_EXISTS`).
        ClsctlError: The system refused.
    """
    _require_nothing_at(path)
    with translate_os_errors(path, error, code, hint):
        if not exists(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(path.parent) as temporary:
            yield temporary
            sync_tree(temporary)
            _require_nothing_at(path)  # a rename would replace an empty folder without a word
            temporary.rename(path)
            sync(path.parent)


def sync_tree(folder: Path) -> None:
    """Make every file and directory below `folder` survive a power cut."""
    for path in (*folder.rglob("*"), folder):
        sync(path)


def sync(path: Path, *, posix: bool = os.name == "posix") -> None:
    """Make one file's content, or one directory's list of names, survive a power cut.

    Args:
        path: What to sync.
        posix: Whether folders can be opened, and what is only read can be synced; on Windows its
            file system alone cares for the names.
    """
    if not posix and is_dir(path):
        return
    descriptor = os.open(path, os.O_RDONLY if posix else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_space(folder: Path, needed: int) -> None:
    """Raise the system's own "no space left" error before starting what cannot fit.

    Args:
        folder: An existing folder on the disk in question.
        needed: Bytes about to be written.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        reason = f"{needed:,} bytes are needed and {free:,} are free"
        raise OSError(errno.ENOSPC, reason, str(folder))


def _require_nothing_at(path: Path) -> None:
    if os.path.lexists(path):
        raise DataError(
            f"{path} is there already, and is never overwritten",
            code="E_EXISTS",
            hint="name a folder that does not exist yet, or move that one away",
        )


def require_output_folder(folder: Path) -> None:
    """Find out before the work whether files can be written into a folder, which need not exist.

    Nothing is left behind.

    Raises:
        UsageError: They cannot (`E_OUTPUT`).
    """
    with translate_os_errors(folder, hint="choose another folder with -o"):
        with suppress(FileNotFoundError):
            folder.lstat()  # refuses names that are too long
        # The folder's parents are made when it is.
        there = next(path for path in (folder, *folder.absolute().parents) if exists(path))
        with tempfile.TemporaryFile(dir=there):
            pass


def require_writable(path: Path) -> None:
    """Raise the system's own error where a file cannot take any more.

    Libraries that meet a full disk say so in words of their own, or not at all.

    Args:
        path: A file that may be left a little longer or not; it is made where it is not there.
    """
    with path.open("ab") as stream:
        stream.write(bytes(1 << 16))
        stream.flush()
        os.fsync(stream.fileno())


# ---- checksums ---------------------------------------------------------------------------------


class FileFacts(TypedDict):
    """What is recorded of a file: its size in bytes and its SHA256 in hex."""

    size: int
    sha256: str


def file_facts(folder: Path, skip: str) -> dict[str, FileFacts]:
    """Read size and SHA256 of every file below `folder`, by relative path, but the one to skip."""
    return {
        path.relative_to(folder).as_posix(): {
            "size": path.stat().st_size,
            "sha256": file_sha256(path),
        }
        for path in sorted(folder.rglob("*"))
        if is_file(path) and path != folder / skip
    }


def file_sha256(path: Path) -> str:
    """Compute the SHA256 of a file, in hex."""
    with open_regular(path) as stream:
        return stream_sha256(stream)


def stream_sha256(stream: BinaryIO) -> str:
    """Compute the SHA256 of all that a stream still holds, in hex."""
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()
