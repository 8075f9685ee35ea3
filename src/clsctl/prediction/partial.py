"""Keep the results of a prediction that ended early, where the next run can continue them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from clsctl.console.messages import note
from clsctl.errors import Interrupted
from clsctl.paths import exists
from clsctl.plugin.descriptors import Writer
from clsctl.system.files import open_output, sync


class Partial(NamedTuple):
    """Results that were kept.

    Attributes:
        path: Where; the output's own name where nothing had it and the format can be resumed,
            else one beside it.
        hint: How to continue; empty where that is not possible.
    """

    path: Path
    hint: str


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
            raise Interrupted(f"{error.message}, kept in {kept.path}", hint=kept.hint) from None
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
    if writer.read:
        stream.truncate(_end(temporary, writer))
    if not temporary.stat().st_size:
        return None
    resumable = resumable and writer.read is not None
    if not resumable or exists(target):
        target = target.with_name(f"{target.stem}.partial{target.suffix}")
    temporary.replace(target)
    sync(target.parent)
    shown = path.with_name(target.name)
    option = "--resume" if shown == path else f"-o {shown} --resume"
    return Partial(shown, f"the same command with {option} continues" if resumable else "")


def _end(path: Path, writer: Writer) -> int:
    """Return where the last whole result ends, in bytes."""
    end = 0
    if writer.read is not None:
        with path.open("rb") as stream, contextlib.suppress(ValueError, KeyError, TypeError):
            for stored in writer.read(stream):
                end = stored.end
    return end
