"""Find image files as they arrive in folders: `clsctl predict --watch`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clsctl.errors import UsageError
from clsctl.images.sources import Source, iter_sources
from clsctl.paths import is_dir

INTERVAL = 0.25
"""Seconds from one look to the next, at least; a look at many files may not fill the time."""

SETTLED = 0.5
"""Seconds without a change after which a file counts as complete."""

_Stamp = tuple[int, int, int]


@dataclass
class _File:
    """How a file was when it was last looked at, since when, and whether it was yielded."""

    stamp: _Stamp
    since: float
    yielded: bool = False


def require_watchable(
    inputs: Sequence[object], batch: int | None, output: Path | None, resume: bool
) -> None:
    """Check what goes with `--watch` and what cannot.

    Raises:
        UsageError: An input is no folder, or another option would keep results back (`E_WATCH`).
    """
    for item in inputs:
        if not isinstance(item, str | os.PathLike) or not is_dir(item):
            raise UsageError(f"--watch is for folders, and {item} is none", code="E_WATCH")
    if batch and batch > 1:
        raise UsageError(
            "--watch classifies each file when it arrives, so that no batch can fill",
            code="E_WATCH",
            hint="leave out --batch",
        )
    if output and not resume:
        raise UsageError(
            "with --watch the output is never complete, and would never get its name",
            code="E_WATCH",
            hint="add --resume, and results go to the end of the file as they come",
        )


def watch(folders: Sequence[str | os.PathLike[str]]) -> Iterator[Source]:
    """Yield the images in these folders, at any depth, and then without end those that arrive.

    A file is yielded once it has kept its size and time of change for a while, so that none is read
    while it is being written; and again after it has changed. The folders are listed repeatedly,
    which also works where other machines write into them.
    """
    files: dict[str, _File] = {}
    while True:
        begun = time.monotonic()
        seen: dict[str, _File] = {}
        for source in iter_sources(folders, quiet=True):
            stamp = _stamp(source)
            if stamp is None:
                continue
            file = files.get(source.name)
            if file is None or file.stamp != stamp:
                file = _File(stamp, begun)
            seen[source.name] = file
            if not file.yielded and begun - file.since >= SETTLED:
                file.yielded = True
                yield source
        files = seen
        time.sleep(max(INTERVAL, 4 * (time.monotonic() - begun)))


def _stamp(source: Source) -> _Stamp | None:
    """Return what changes with a file; None where it has gone since the folder was listed."""
    if not isinstance(source.content, Path):
        return None
    try:
        found = source.content.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
