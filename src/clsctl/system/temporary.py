"""Temporary files and folders that nobody can plant, and that no killed process leaves for ever.

A name is `.clsctl-RANDOM.tmp`, made beside the target. Whoever makes one holds a lock on it,
which the system releases when the process ends, however it ends: what can be locked belongs to no
running process and is removed. Locks tell this also where process ids do not, in containers and on
network disks.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir

from clsctl.paths import is_dir
from clsctl.system.descriptors import lock, open_flags

PATTERN = ".clsctl-*.tmp"
_RENEWED = open_flags("O_RDWR", "O_CREAT", "O_EXCL", "O_CLOEXEC")
_PRESENT = open_flags("O_RDONLY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC")

LOCKABLE = os.name == "posix"
"""Whether what is open can be renamed, and a folder can be opened, so that both can be locked.

On Windows neither can: nothing is locked there, nor swept, since it may belong to somebody.
"""


@contextmanager
def temporary_file(folder: Path, *, lockable: bool = LOCKABLE) -> Iterator[Path]:
    """Make an empty file for the block to write, which is removed unless the block renames it."""

    def make(path: Path) -> int:
        return os.open(path, _RENEWED, 0o666)

    if not lockable:
        with _unlocked(folder, lambda path: os.close(make(path)), _unlink) as path:
            yield path
        return
    with _locked(folder, make, _unlink) as path:
        yield path


@contextmanager
def temporary_folder(
    folder: Path, mode: int = 0o777, *, lockable: bool = LOCKABLE
) -> Iterator[Path]:
    """Make an empty folder, which is removed with its content unless the block renames it.

    Args:
        folder: An existing folder to make it in.
        mode: Its permissions, before the process's umask.
    """

    def make(path: Path) -> int | None:
        path.mkdir(mode)
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, _PRESENT)
        return None  # it was swept before it was opened

    if not lockable:
        with _unlocked(folder, lambda path: path.mkdir(mode), _remove_tree) as path:
            yield path
        return
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
    if not LOCKABLE:
        return
    with contextlib.suppress(OSError):
        for path in folder.glob(PATTERN):
            with contextlib.suppress(OSError):
                _remove_abandoned(path)


@contextmanager
def _unlocked(
    folder: Path, make: Callable[[Path], object], remove: Callable[[Path], object]
) -> Iterator[Path]:
    """Make something that is closed, and remove it unless it was renamed."""
    path = _new_name(folder)
    make(path)
    try:
        yield path
    finally:
        remove(path)


def _new_name(folder: Path) -> Path:
    return folder / PATTERN.replace("*", secrets.token_hex(8))


@contextmanager
def _locked(
    folder: Path, make: Callable[[Path], int | None], remove: Callable[[Path], object]
) -> Iterator[Path]:
    """Make what others leave alone while the block runs, and remove it unless it was renamed."""
    sweep(folder)
    while True:
        path = _new_name(folder)
        descriptor = make(path)
        if descriptor is None:
            continue
        try:
            # Some disks have no locks; nothing is swept there.
            with contextlib.suppress(OSError):
                lock(descriptor, wait=True)
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
        lock(descriptor, wait=False)
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
