"""Show how far work has come, on standard error where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clsctl.console.text import printable_text
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

    with _show(label, *_bar_columns(DownloadColumn())) as show:
        yield show


@contextmanager
def count_bar(label: str) -> Iterator[Progress]:
    """Show a bar as `transfer_bar` does, for things counted one by one, such as images."""
    if not sys.stderr.isatty():
        yield no_progress
        return
    from rich.progress import MofNCompleteColumn

    with _show(label, *_bar_columns(MofNCompleteColumn())) as show:
        yield show


@contextmanager
def image_counter(shown: bool = True) -> Iterator[Progress]:
    """Count images on standard error where their number is not known before; see `transfer_bar`.

    Args:
        shown: False where the results themselves appear on the terminal.
    """
    if not shown or not sys.stderr.isatty():
        yield no_progress
        return
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    number = TextColumn("{task.completed:.0f} images")
    with _show("images", SpinnerColumn(), number, TimeElapsedColumn()) as show:
        yield show


def _bar_columns(amount: ProgressColumn) -> Sequence[ProgressColumn]:
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    described = TextColumn("{task.description}", markup=False)
    return described, BarColumn(), amount, TimeRemainingColumn()


@contextmanager
def _show(label: str, *columns: ProgressColumn) -> Iterator[Progress]:
    from rich.progress import Progress as Bars

    from clsctl.console.tables import open_console

    bars = Bars(*columns, console=open_console(sys.stderr), transient=True)

    def show(done: int, total: int | None) -> None:
        if not bars.task_ids:
            bars.add_task(printable_text(label))
            bars.start()
        bars.update(bars.task_ids[0], completed=done, total=total)

    try:
        yield show
    finally:
        bars.stop()


def no_progress(done: int, total: int | None) -> None:
    """Take progress and show nothing."""
