"""Open a Rich console, and make tables and grids of the one style that clsctl has."""

from __future__ import annotations

import os
from typing import TextIO

from rich.console import Console
from rich.table import Table

PIPED_WIDTH = 160
"""Columns where the output is no terminal: wide enough for every table."""

_PADDING = (0, 2, 0, 0)


def open_console(stream: TextIO | None = None) -> Console:
    """Open a console that prints text as it is, in colour on a terminal.

    Its width is the terminal's; where the output is no terminal, `COLUMNS` or `PIPED_WIDTH`.

    Args:
        stream: Standard output by default.
    """
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPED_WIDTH
    return console


def new_table(*headers: str) -> Table:
    """Make a table without lines, two blanks between columns, headers in bold."""
    return Table(*headers, box=None, pad_edge=False, padding=_PADDING, header_style="bold")


def new_grid() -> Table:
    """Make a table of the same look without headers, for facts with a name each."""
    return Table.grid(padding=_PADDING)
