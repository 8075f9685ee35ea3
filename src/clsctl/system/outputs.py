"""Files that a person asked for: each whole or not there, and one sentence where it cannot be."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from clsctl.errors import UsageError
from clsctl.system.files import replacing


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Where to write what shall be at `path`: it takes its place when the block ends.

    Missing folders are made. A device or a named pipe is written to as it is.

    Raises:
        UsageError: The system refused, for instance because the disk is full (`E_OUTPUT`).
    """
    with explained(path):
        if path.exists() and not path.is_file():
            yield path
            return
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path.resolve()) as part:
            yield part


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an OSError met while writing to `path` into a UsageError (`E_OUTPUT`)."""
    try:
        yield
    except BrokenPipeError:
        raise  # Whoever reads has seen enough, which is no failure.
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"cannot write {path}: {reason}", code="E_OUTPUT") from None


@contextmanager
def open_output(path: Path | None) -> Iterator[TextIO]:
    """A text file by the rules of `writing`; standard output where there is no path."""
    if path is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    with writing(path) as part, part.open("w", encoding="utf-8", newline="") as stream:
        yield stream
