"""Write text, numbers and results as the user, or a program, reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from clsctl.urls import printable_urls

_JSON_LEAVES = r"\x7f-\x9f\u2028-\u202e\u2066-\u2069"
_UNPRINTABLE = re.compile(rf"[\x00-\x1f{_JSON_LEAVES}\ud800-\udfff]")
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_UNPRINTABLE_IN_JSON = re.compile(f"[{_JSON_LEAVES}]")


def printable_text(text: str) -> str:
    r"""Return text as it may be printed: with nothing that a terminal would obey, and no secret.

    Shown as such, for instance `\x1b`, are the control characters of ASCII and Latin-1 (line breaks
    and tabs too), the separators of lines and the directions of Unicode, and what is no character.
    URLs are as `clsctl.urls.printable_url` shows them.
    """
    if ":/" in text:
        text = printable_urls(text)
    return text if text.isascii() and text.isprintable() else _UNPRINTABLE.sub(_escaped, text)


def print_line(text: object = "", flush: bool = False) -> None:
    """Print one line on standard output."""
    print(printable_text(str(text)), flush=flush)


def print_json(content: object) -> None:
    """Print a result as JSON on standard output."""
    print(to_json(content, indent=2))


def iter_json(content: object, indent: int | None = None) -> Iterator[str]:
    """Yield what `to_json` returns in small pieces, for content that would fill the memory."""
    for piece in json.JSONEncoder(indent=indent, ensure_ascii=False).iterencode(content):
        shown = _JSON_STRING.sub(_with_printable_url, piece) if ":/" in piece else piece
        yield _UNPRINTABLE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", shown)


def to_json(content: object, indent: int | None = None) -> str:
    """Write JSON of any language, control characters escaped, in which URLs are printable."""
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    if ":/" in text:
        text = json.dumps(_with_printable_urls(content), indent=indent, ensure_ascii=False)
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


def _with_printable_url(match: re.Match[str]) -> str:
    return json.dumps(printable_urls(json.loads(match[0])), ensure_ascii=False)


def _with_printable_urls(value: Any) -> Any:
    if isinstance(value, str):
        return printable_urls(value)
    if isinstance(value, Mapping):
        return {key: _with_printable_urls(item) for key, item in value.items()}
    return (
        [_with_printable_urls(item) for item in value]
        if isinstance(value, (list, tuple))
        else value
    )
