"""Show how far work has come, on standard error where that is a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clsctl.console.messages import says
from clsctl.console.text import printable_text
from clsctl.values import Progress

if TYPE_CHECKING:
    from rich.progress import ProgressColumn


@contextmanager
def transfer_bar(label: str) -> Iterator[Progress]:
    """Show a bar of bytes on standard error, from the first report to the end of the block.

    Where standard error is not a terminal, `-q` was given, or nothing is reported, nothing is
    shown.
    """
    if not _is_shown():
        yield no_progress
        return
    from rich.progress import DownloadColumn, TransferSpeedColumn

    with _show(label, *_bar_columns(DownloadColumn(), TransferSpeedColumn())) as show:
        yield show


@contextmanager
def count_bar(label: str, unit: str = "images") -> Iterator[Progress]:
    """Show a bar as `transfer_bar` does, for things counted one by one.

    Args:
        unit: What they are, in the plural.
    """
    if not _is_shown():
        yield no_progress
        return
    from rich.progress import MofNCompleteColumn

    from clsctl.console.rate import RateColumn

    with _show(label, *_bar_columns(MofNCompleteColumn(), RateColumn(unit))) as show:
        yield show


@contextmanager
def image_counter(
    count: Callable[[], int | None] = lambda: None, shown: bool = True
) -> Iterator[Progress]:
    """Count images on standard error, which says how long the rest takes; see `transfer_bar`.

    Args:
        count: Counts all of them, called where they are shown; None where nobody knows.
        shown: False where the results themselves appear on the terminal.
    """
    total = count() if shown and _is_shown() else None
    if total is not None:
        with count_bar("images") as show:
            yield lambda done, _: show(done, max(done, total))
    elif shown and _is_shown():
        with _counter() as show:
            yield show
    else:
        yield no_progress


@contextmanager
def _counter() -> Iterator[Progress]:
    """Show how many images are done, where nobody knows how many there are."""
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    from clsctl.console.rate import RateColumn

    number = TextColumn("{task.completed:.0f} images")
    columns = SpinnerColumn(), number, RateColumn("images"), TimeElapsedColumn()
    with _show("images", *columns) as show:
        yield show


def _is_shown() -> bool:
    return sys.stderr.isatty() and says(logging.INFO)


def _bar_columns(*amounts: ProgressColumn) -> Sequence[ProgressColumn]:
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    described = TextColumn("{task.description}", markup=False)
    return described, BarColumn(), *amounts, TimeRemainingColumn()


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
