"""Keep the results of a prediction that ended early, where the next run can continue them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, TextIO

from clsctl.console.messages import note
from clsctl.errors import Interrupted
from clsctl.paths import exists
from clsctl.plugin.descriptors import StoredResult, Writer
from clsctl.system.files import open_output, sync


class Partial(NamedTuple):
    """Results that were kept.

    Attributes:
        path: Where; the output's own name where nothing had it and the format can be resumed,
            else one beside it.
        hint: How to continue; empty where that is not possible.
        results: How many they are; None where the format cannot be read again.
    """

    path: Path
    hint: str
    results: int | None


@contextmanager
def open_keeping_partial(path: Path, writer: Writer, resumable: bool) -> Iterator[TextIO]:
    """Open a file as `open_output` does; if the block fails, the results that are whole are kept.

    Args:
        resumable: Whether the same job may be run with `resume`.

    Raises:
        Interrupted: As the block raised it, with what was kept and how to continue.
        UsageError: The output cannot be written (`E_OUTPUT`).
    """
    with open_output(path) as stream:
        try:
            yield stream
        except Interrupted as error:
            kept = _keep(stream, path, writer, resumable, closed=True)
            if kept is None:
                raise
            # Ctrl-C may have come between counting a result and writing it.
            said = error.message if kept.results is None else f"interrupted, {kept.results} done"
            raise Interrupted(f"{said}, kept in {kept.path}", hint=kept.hint) from None
        except BaseException:
            kept = _keep(stream, path, writer, resumable, closed=False)
            if kept is not None:
                note(f"what was done is kept in {kept.path}; {kept.hint}".removesuffix("; "))
            raise


def _keep(
    stream: TextIO, path: Path, writer: Writer, resumable: bool, closed: bool
) -> Partial | None:
    """Give the temporary file a name for good; None where it holds no whole result.

    Args:
        closed: The writer could end the file as its format wants it.
    """
    temporary, target = Path(stream.name), path.resolve()
    if temporary == path or not (writer.read or closed):
        return None
    with contextlib.suppress(OSError):  # of a full disk; what it took is there
        stream.flush()
    results = None
    if writer.read:
        results, end = _whole(temporary, writer.read)
        stream.truncate(end)
    if not temporary.stat().st_size:
        return None
    resumable = resumable and writer.read is not None
    if not resumable or exists(target):
        target = target.with_name(f"{target.stem}.partial{target.suffix}")
    temporary.replace(target)
    sync(target.parent)
    shown = path.with_name(target.name)
    option = "--resume" if shown == path else f"-o {shown} --resume"
    hint = f"the same command with {option} continues" if resumable else ""
    return Partial(shown, hint, results)


def _whole(path: Path, read: Callable[[IO[bytes]], Iterator[StoredResult]]) -> tuple[int, int]:
    """Count the whole results, and return where the last of them ends, in bytes."""
    results = end = 0
    with path.open("rb") as stream, contextlib.suppress(ValueError, KeyError, TypeError):
        for stored in read(stream):
            results, end = results + 1, stored.end
    return results, end
