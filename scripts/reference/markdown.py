"""Write Markdown: tables, text that means itself, and docstrings in Google's style."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

_SECTION = re.compile(r"(Args|Attributes|Returns|Yields|Raises):")
_ENTRY = re.compile(r"(\w+): (.*)")
_SPECIAL = re.compile(r"[*<]|(?<!\w)_|_(?!\w)")
"""What would become emphasis or HTML; an underscore within a word does not."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write a table, whose cells are Markdown, as lines with an empty one at the end."""
    body = [[cell.replace("|", r"\|") for cell in row] for row in rows]
    return [_row(header), _row(["---"] * len(header)), *map(_row, body), ""]


def plain(text: str) -> str:
    """Keep Markdown from reading anything but code into a text."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if index % 2 else _SPECIAL.sub(r"\\\g<0>", part) for index, part in enumerate(parts)
    )


def code(text: str) -> str:
    """Set a text as code; nothing where it is empty."""
    return f"`{text}`" if text else ""


def fenced(lines: Iterable[str], language: str) -> list[str]:
    """Write a block of code, with an empty line at the end."""
    return [f"```{language}", *lines, "```", ""]


def docstring(text: str | None) -> list[str]:
    """Write a docstring: its sections as lists, and its `>>>` lines as code."""
    lines = inspect.cleandoc(text or "").splitlines()
    found: list[str] = []
    title = ""
    for is_heading, block in groupby(lines, lambda line: _SECTION.fullmatch(line) is not None):
        if is_heading:
            title = next(block).rstrip(":")
        elif title:
            found += _section(title, inspect.cleandoc("\n".join(["", *block])).splitlines())
        else:
            found += _paragraphs(block)
    return found if not found or not found[-1] else [*found, ""]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _paragraphs(lines: Iterable[str]) -> Iterator[str]:
    for is_code, block in groupby(lines, lambda line: line.startswith((">>> ", "... "))):
        if is_code:
            yield from fenced([line[4:] for line in block], "python")
        else:
            yield from (plain(line) for line in block)


def _section(title: str, lines: Sequence[str]) -> list[str]:
    """Write `Args:` and the like as a list, and `Returns:` as a sentence."""
    if title in ("Returns", "Yields"):
        return [f"**{title}:** {plain(' '.join(lines))}".rstrip(), ""]
    entries: list[str] = []
    for line in lines:
        entry = _ENTRY.fullmatch(line)
        if entry:
            entries.append(f"- `{entry[1]}`: {plain(entry[2])}")
        elif line:
            entries.append(f"  {plain(line.strip())}")
    heading = {"Args": "Arguments"}.get(title, title)
    return [f"**{heading}**", "", *entries, ""]
