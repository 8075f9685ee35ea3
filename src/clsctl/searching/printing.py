"""Print what a search has found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsctl.console.tables import Text, new_table, open_console
from clsctl.console.text import print_line
from clsctl.searching.ranking import interval
from clsctl.searching.record import Candidate, Record

if TYPE_CHECKING:
    from clsctl.searching.search import SearchResult


def print_search(result: SearchResult) -> None:
    """Print what was tried, and the model that was chosen."""
    table = new_table()
    table.add_column("Model", overflow="fold")
    for title in ("Pixels", "Start", "95 %", "Trained", "Epochs", "MB"):
        table.add_column(title, justify="right", no_wrap=True)
    for candidate in result.record.ranked():
        chosen = (candidate.model, candidate.image_size) == (result.model, result.image_size)
        table.add_row(*_cells(result.record, candidate), style="bold" if chosen else "")
    console = open_console()
    console.print(table)
    console.line()
    low, high = result.interval
    print_line(
        f"best: {result.model} at {result.image_size} pixels, top-1 {result.top1:.2%} (95 % "
        f"{low:.2%} to {high:.2%}), {result.latency_ms:.1f} ms for one image"
    )
    print_line(f"model: {result.model_dir}")
    print_line(f"page: {result.page}")
    print_line(f"try it: clsctl predict IMAGE --model-dir {result.model_dir}")


def _cells(record: Record, candidate: Candidate) -> tuple[str | Text, ...]:
    low, high = interval(candidate)
    best = record.best_trial(candidate.name)
    return (
        Text(candidate.model),
        f"{candidate.image_size}",
        f"{100 * candidate.top1:.2f}",
        f"{100 * low:.1f}-{100 * high:.1f}",
        "-" if best is None else f"{100 * (best.top1 or 0.0):.2f}",
        "-" if best is None else f"{best.epochs}",
        f"{candidate.size_mb:.1f}",
    )
