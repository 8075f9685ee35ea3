"""What the dataset commands print: tables of figures by class, warnings, JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from clsctl.datasets.problems import Problem

Row = Sequence[str]


def print_figures(titles: Row, rows: Sequence[Row], sums: Sequence[Row]) -> None:
    """Print a table of names and figures; the sums at the end are bold.

    Args:
        titles: Of the columns; the first one holds names.
        rows: As many cells as there are titles.
        sums: Likewise.
    """
    from rich.table import Table
    from rich.text import Text

    from clsctl.console.tables import open_console

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(titles[0], no_wrap=True, overflow="ellipsis")
    for title in titles[1:]:
        table.add_column(title, justify="right", no_wrap=True)
    # One cell a column, because a table of a thousand rows takes Rich half a second.
    for part, style in ((rows, ""), (sums, "bold")):
        cells = (Text("\n".join(column)) for column in zip(*part, strict=True))
        table.add_row(*cells, style=style)
    open_console().print(table)


def print_warnings(warnings: Iterable[Problem]) -> None:
    """Print each warning and its hint on standard error."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for warning in warnings:
        console.print(
            Text.assemble(
                ("warning: ", "bold yellow"),
                warning.message,
                (f" [{warning.code}]", "dim"),
                "\n",
                ("hint: ", "bold cyan"),
                warning.hint,
            )
        )


def warning_fields(warnings: Iterable[Problem]) -> list[dict[str, str]]:
    """Warnings as they appear in JSON."""
    return [{"code": w.code, "message": w.message, "hint": w.hint} for w in warnings]


def print_json(content: Mapping[str, object]) -> None:
    print(json.dumps(content, indent=2, ensure_ascii=False))


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 sample`, `2,524 samples`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
