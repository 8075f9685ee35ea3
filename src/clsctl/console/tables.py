"""The console that tables are printed on, and how figures look in them."""

from __future__ import annotations

import os

from rich.console import Console

PIPED_WIDTH = 160
"""Columns where standard output is no terminal: wide enough for every table."""


def open_console() -> Console:
    """Standard output: as wide as the terminal, or wide enough for every column of a pipe."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPED_WIDTH
    return console


def format_figure(value: float | None, digits: int = 2) -> str:
    """A number for a table; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"
