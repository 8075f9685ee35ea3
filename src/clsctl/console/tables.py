"""Open a Rich console, and make tables and grids of the one style that clsctl has.

Text gets to a terminal through this module and `clsctl.console.text` only, which show control
characters as such. What is printed at once is one line; `stack` makes a cell of several lines.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, TextIO, cast

import rich.text
from rich.console import Console
from rich.table import Table

from clsctl.console.text import printable_text

PIPED_WIDTH = 160
"""Columns where the output is no terminal: wide enough for every table."""

_PADDING = (0, 2, 0, 0)


class Text(rich.text.Text):
    """Styled text in which control characters are shown as such."""

    def __init__(self, text: str = "", style: str = "", **options: Any) -> None:
        super().__init__(printable_text(text), style, **options)

    @classmethod
    def assemble(cls, *parts: Any, **options: Any) -> Text:
        """Make text of parts, each with a style or without."""
        return cast("Text", super().assemble(*parts, **options))

    def append(self, text: Any, style: Any = None) -> rich.text.Text:
        """Add text, or text with styles, at the end."""
        return super().append(printable_text(text) if isinstance(text, str) else text, style)


class _Console(Console):
    """A console that shows the control characters of plain strings, in tables too, as such."""

    def render_str(self, text: str, **options: Any) -> rich.text.Text:
        return super().render_str(printable_text(text), **options)


def open_console(stream: TextIO | None = None) -> Console:
    """Open a console that prints text as it is, in colour on a terminal.

    Its width is the terminal's; where the output is no terminal, `COLUMNS` or `PIPED_WIDTH`.

    Args:
        stream: Standard output by default.
    """
    console = _Console(file=stream, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPED_WIDTH
    return console


def stack(lines: Iterable[str | rich.text.Text]) -> rich.text.Text:
    """Make one cell of several lines."""
    cell = rich.text.Text()
    for number, line in enumerate(lines):
        cell.append("\n" * (number > 0))
        cell.append(printable_text(line) if isinstance(line, str) else line)
    return cell


def new_table(*headers: str) -> Table:
    """Make a table without lines, two blanks between columns, headers in bold."""
    return Table(*headers, box=None, pad_edge=False, padding=_PADDING, header_style="bold")


def new_grid() -> Table:
    """Make a table of the same look without headers, for facts with a name each."""
    return Table.grid(padding=_PADDING)
