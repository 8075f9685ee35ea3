"""Keep spreadsheets from taking the text of a CSV file for formulas."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NUMBER = r"[-+]?[\d.]+(?:e[-+]?\d+)?"
_FORMULA = re.compile(rf"'*(?!{_NUMBER}\Z)[-+=@\t\r\n＝＋－＠]", re.IGNORECASE)  # noqa: RUF001


def safe_row(cells: Iterable[object]) -> list[object]:
    """Put an apostrophe before the text that a spreadsheet would run as a formula.

    It stands before text that begins with `=`, `+`, `-`, `@`, a tab or a line break, numbers
    excepted, and before such text that begins with apostrophes already.
    """
    return [f"'{cell}" if _is_formula(cell) else cell for cell in cells]


def original_cell(cell: str) -> str:
    """Return the text of a cell that `safe_row` made."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell) else cell


def _is_formula(cell: object) -> bool:
    return isinstance(cell, str) and _FORMULA.match(cell) is not None
