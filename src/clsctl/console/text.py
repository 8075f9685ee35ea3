"""Write text, numbers and results as the user, or a program, reads them."""

from __future__ import annotations

import json
import re

_JSON_LEAVES = r"\x7f-\x9f\u2028-\u202e\u2066-\u2069"
_UNPRINTABLE = re.compile(rf"[\x00-\x1f{_JSON_LEAVES}\ud800-\udfff]")
_UNPRINTABLE_IN_JSON = re.compile(f"[{_JSON_LEAVES}]")


def escape_controls(text: str) -> str:
    r"""Show control characters as such, for instance `\x1b`, so that a terminal obeys none.

    These are the control characters of ASCII and Latin-1 (line breaks and tabs too), the separators
    of lines and the directions of Unicode, and what is no character, such as a byte that is not
    UTF-8 in a file's name.
    """
    return text if text.isascii() and text.isprintable() else _UNPRINTABLE.sub(_escaped, text)


def print_line(text: object = "", flush: bool = False) -> None:
    """Print one line on standard output."""
    print(escape_controls(str(text)), flush=flush)


def print_json(content: object) -> None:
    """Print a result as JSON on standard output."""
    print(to_json(content, indent=2))


def to_json(content: object, indent: int | None = None) -> str:
    """Write JSON in which any language is readable and control characters are escaped."""
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    if text.isascii() and "\x7f" not in text:
        return text
    return _UNPRINTABLE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def format_figure(value: float | None, digits: int = 2) -> str:
    """Write a number for a table; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def count(number: int, noun: str, plural: str = "") -> str:
    """Write a number with its noun: `1 sample`, `2,524 samples`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _escaped(match: re.Match[str]) -> str:
    return repr(match[0])[1:-1]
