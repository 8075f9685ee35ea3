"""Show transfers, and say how to resume them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clsctl.errors import Interrupted
from clsctl.values import Progress


@contextmanager
def resumable_transfer(label: str, name: str) -> Iterator[Progress]:
    """Show the progress of a transfer, and say how to resume one that Ctrl-C interrupts.

    Args:
        label: What stands before the bar.
        name: What is pulled.

    Raises:
        Interrupted: Ctrl-C was pressed.
    """
    from clsctl.console.progress import transfer_bar

    try:
        with transfer_bar(label) as progress:
            yield progress
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted while pulling {name}",
            hint="the same command resumes where this one stopped",
        ) from None
