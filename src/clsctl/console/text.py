"""Write numbers and results as the user, or a program, reads them."""

from __future__ import annotations

import json


def format_figure(value: float | None, digits: int = 2) -> str:
    """Write a number for a table; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def count(number: int, noun: str, plural: str = "") -> str:
    """Write a number with its noun: `1 sample`, `2,524 samples`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def print_json(content: object) -> None:
    """Print a result as JSON on standard output."""
    print(json.dumps(content, indent=2, ensure_ascii=False))
