"""Open files by descriptor and lock them, with what each operating system has for it."""

from __future__ import annotations

import functools
import operator
import os
import sys

LOCKED_BYTE = 0x7FFFFFFF
"""Windows locks a range of bytes, and keeps others from reading it: far behind the content."""


def open_flags(*names: str, known: object = os) -> int:
    """Combine flags of `os.open`, without those that this system has no need of or no word for.

    Args:
        known: Where the flags are defined.
    """
    # Windows would otherwise translate the ends of lines.
    wanted = (getattr(known, name, 0) for name in (*names, "O_BINARY"))
    return functools.reduce(operator.or_, wanted, 0)


def lock(descriptor: int, *, wait: bool) -> None:
    """Keep other processes from locking the same file, until the descriptor is closed.

    Raises:
        BlockingIOError: Another one has locked it, and `wait` is false.
        OSError: The disk has no locks.
    """
    if sys.platform == "win32":
        _lock_on_windows(descriptor, wait)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


if sys.platform == "win32":

    def _lock_on_windows(descriptor: int, wait: bool) -> None:
        import msvcrt

        before = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(*error.args) from None
        finally:
            os.lseek(descriptor, before, os.SEEK_SET)
