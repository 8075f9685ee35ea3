"""Durable writes, free space and checksums; an OSError on the way becomes one clear sentence."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

from clsctl.console.messages import note
from clsctl.errors import ModelError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


class FileFacts(TypedDict):
    """What is recorded of a file: its size in bytes and its SHA256 in hex."""

    size: int
    sha256: str


@contextmanager
def explained(root: Path, remedy: str = "") -> Iterator[None]:
    """Turn an OSError met while working below `root` into a ModelError.

    Args:
        root: A file or folder, to name where the system names none.
        remedy: What to do where `root` cannot be written; the default speaks of the store.

    Raises:
        ModelError: The disk is full (`E_DISK_FULL`), the folder is read-only
            (`E_STORE_READONLY`), or anything else that the system refused (`E_STORE`).
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _FULL:
            raise ModelError(
                f"the disk that holds {root} is full: {reason}",
                code="E_DISK_FULL",
                hint="free some space (`clsctl models remove NAME`), or set CLSCTL_HOME to a "
                "folder on another disk; a download then goes on where it stopped",
            ) from error
        code = "E_STORE_READONLY" if error.errno in _READ_ONLY else "E_STORE"
        raise ModelError(
            f"cannot use {error.filename or root}: {reason}",
            code=code,
            hint=remedy or "set CLSCTL_HOME to a folder that you can write to",
        ) from error


@contextmanager
def locked(root: Path, label: str) -> Iterator[None]:
    """Keep other processes and threads out of something below `root`; not reentrant.

    Raises:
        ModelError: The block met a full or read-only disk (see `explained`).
    """
    from filelock import FileLock, Timeout

    path = root / "locks" / f"{label}.lock"
    with explained(root):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            note(f"waiting for another clsctl that is busy with {label}")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


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


def file_facts(folder: Path, skip: str) -> dict[str, FileFacts]:
    """Size and SHA256 of every file below `folder`, by relative path, except the one to skip."""
    return {
        path.relative_to(folder).as_posix(): {
            "size": path.stat().st_size,
            "sha256": file_sha256(path),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / skip
    }


def sync_tree(folder: Path) -> None:
    """Make every file and directory below `folder` survive a power cut."""
    for path in (*folder.rglob("*"), folder):
        sync(path)


def sync(path: Path) -> None:
    """Make one file's content, or one directory's list of names, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; what the block writes there takes its place at the end.

    After an error nothing is left of it, and `path` is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """SHA256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
