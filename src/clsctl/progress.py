"""How far a transfer has come, for a person at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from clsctl.store import unwatched
from clsctl.types import Progress


@contextmanager
def transfer_bar(label: str) -> Iterator[Progress]:
    """A bar on standard error, from the first report to the end of the block.

    Where standard error is not a terminal, or nothing is reported, nothing is shown.
    """
    if not sys.stderr.isatty():
        yield unwatched
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn(label, markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    bars = Bars(*columns, console=Console(stderr=True), transient=True)

    def show(done: int, total: int | None) -> None:
        if not bars.task_ids:
            bars.add_task(label)
            bars.start()
        bars.update(bars.task_ids[0], completed=done, total=total)

    try:
        yield show
    finally:
        bars.stop()
