"""Show how far work has come, on standard error where that is a terminal."""

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
    """Show a bar of bytes on standard error, from the first report to the end of the block.

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
    """Show a bar as `transfer_bar` does, for things counted one by one, such as images."""
    if not sys.stderr.isatty():
        yield no_progress
        return
    from rich.progress import MofNCompleteColumn

    with _bar(label, MofNCompleteColumn()) as show:
        yield show


@contextmanager
def _bar(label: str, amount: ProgressColumn) -> Iterator[Progress]:
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    from clsctl.console.tables import open_console

    columns = (TextColumn(label, markup=False), BarColumn(), amount, TimeRemainingColumn())
    bars = Bars(*columns, console=open_console(sys.stderr), transient=True)

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
    """Take progress that nobody looks at."""
