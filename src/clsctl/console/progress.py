"""How far a transfer has come, for a person at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clsctl.values import Progress

if TYPE_CHECKING:
    from rich.progress import ProgressColumn


@contextmanager
def transfer_bar(label: str) -> Iterator[Progress]:
    """A bar on standard error, from the first report to the end of the block.

    Where standard error is not a terminal, or nothing is reported, nothing is shown.
    """
    if not sys.stderr.isatty():
        yield no_progress
        return
    from rich.progress import DownloadColumn

    with _bar(label, DownloadColumn()) as show:
        yield show


@contextmanager
def count_bar(label: str) -> Iterator[Progress]:
    """The same for things that are counted one by one, such as images."""
    if not sys.stderr.isatty():
        yield no_progress
        return
    from rich.progress import MofNCompleteColumn

    with _bar(label, MofNCompleteColumn()) as show:
        yield show


@contextmanager
def _bar(label: str, amount: ProgressColumn) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn(label, markup=False), BarColumn(), amount, TimeRemainingColumn())
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


def no_progress(done: int, total: int | None) -> None:
    """Progress that nobody looks at."""
