"""Print what the dataset commands share: tables of figures by class, and warnings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from clsctl.console.messages import note, print_warning
from clsctl.datasets.problems import Problem
from clsctl.datasets.samples import Dataset, Layout

LAYOUTS: Mapping[Layout, str] = {
    "lists": "lists",
    "folders": "a folder for each class",
    "table": "a table",
}
Row = Sequence[str]


def print_figures(titles: Row, rows: Sequence[Row], sums: Sequence[Row]) -> None:
    """Print a table of names and figures; the sums at the end are bold.

    Args:
        titles: Of the columns; the first one holds names.
        rows: As many cells as there are titles.
        sums: Likewise.
    """
    from clsctl.console.tables import new_table, open_console, stack

    table = new_table()
    table.add_column(titles[0], no_wrap=True, overflow="ellipsis")
    for title in titles[1:]:
        table.add_column(title, justify="right", no_wrap=True)
    # One cell a column, because a table of a thousand rows takes Rich half a second.
    for part, style in ((rows, ""), (sums, "bold")):
        cells = (stack(column) for column in zip(*part, strict=True))
        table.add_row(*cells, style=style)
    open_console().print(table)


def print_notes(dataset: Dataset) -> None:
    """Print how a dataset was read, where that is not plain: each of its notes."""
    for one in dataset.problems:
        if one.severity == "note":
            note(one.message)


def print_warnings(warnings: Iterable[Problem]) -> None:
    """Print each warning and its hint on standard error."""
    for warning in warnings:
        print_warning(warning.message, warning.code, warning.hint)


def warning_fields(warnings: Iterable[Problem]) -> list[dict[str, str]]:
    """Return warnings as they appear in JSON."""
    return [{"code": w.code, "message": w.message, "hint": w.hint} for w in warnings]
