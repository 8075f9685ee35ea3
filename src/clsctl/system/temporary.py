"""Temporary files and folders that nobody can plant, and that no killed process leaves for ever.

A name is `.clsctl-RANDOM.tmp`, made beside the target. Whoever makes one holds a lock on it,
which the system releases when the process ends, however it ends: what can be locked belongs to no
running process and is removed. Locks tell this also where process ids do not, in containers and on
network disks.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir

from clsctl.paths import is_dir

PATTERN = ".clsctl-*.tmp"
_RENEWED = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_PRESENT = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def temporary_file(folder: Path) -> Iterator[Path]:
    """Make an empty file for the block to write, which is removed unless the block renames it."""
    with _locked(folder, lambda path: os.open(path, _RENEWED, 0o666), _unlink) as path:
        yield path


@contextmanager
def temporary_folder(folder: Path, mode: int = 0o777) -> Iterator[Path]:
    """Make an empty folder, which is removed with its content unless the block renames it.

    Args:
        folder: An existing folder to make it in.
        mode: Its permissions, before the process's umask.
    """

    def make(path: Path) -> int:
        path.mkdir(mode)
        return os.open(path, _PRESENT)

    with _locked(folder, make, _remove_tree) as path:
        yield path


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make an empty folder where the system keeps temporary files, for this user alone."""
    with temporary_folder(Path(gettempdir()), 0o700) as folder:
        yield folder


@functools.lru_cache(maxsize=1024)
def sweep(folder: Path) -> None:
    """Remove what killed processes of this user have left in a folder; looks once in a process."""
    with contextlib.suppress(OSError):
        for path in folder.glob(PATTERN):
            with contextlib.suppress(OSError):
                _remove_abandoned(path)


@contextmanager
def _locked(
    folder: Path, make: Callable[[Path], int], remove: Callable[[Path], object]
) -> Iterator[Path]:
    """Make what others leave alone while the block runs, and remove it unless it was renamed."""
    sweep(folder)
    while True:
        path = folder / PATTERN.replace("*", secrets.token_hex(8))
        descriptor = make(path)
        try:
            # Some disks have no locks; nothing is swept there.
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(path, descriptor):  # else it was swept before it was locked
                yield path
                return
        finally:
            remove(path)
            os.close(descriptor)


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)


def _remove_tree(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


def _remove_abandoned(path: Path) -> None:
    """Remove a file or folder of this user that no process has locked."""
    descriptor = os.open(path, _PRESENT)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            return
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_at(path, descriptor):
            return
        if is_dir(path):
            shutil.rmtree(path)
        else:
            path.unlink()
    finally:
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
