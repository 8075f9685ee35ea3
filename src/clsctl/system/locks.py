"""Keep other processes out of something while it is being changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clsctl.console.messages import note
from clsctl.system.os_errors import FREE_SPACE, translate_store_errors


@contextmanager
def locked(root: Path, label: str, full_hint: str = FREE_SPACE) -> Iterator[None]:
    """Keep other processes and threads out of something below `root`; not reentrant.

    Args:
        root: The folder that holds the lock's file, in its own folder `locks`.
        label: What is locked; names the file, and appears in the note that says who is waited for.
        full_hint: What to do where the disk is full.

    Raises:
        ModelError: The block met an OSError (see `translate_store_errors`).
    """
    from filelock import FileLock, Timeout

    path = root / "locks" / f"{label}.lock"
    with translate_store_errors(root, full_hint=full_hint):
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
