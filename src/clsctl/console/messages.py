"""Tell the user something on standard error, where results are not disturbed.

How much is said is the level of the logger `clsctl`: `INFO`, from which on `status` and `note`
speak, unless a program or `-q` (`WARNING`) or `-v` (`DEBUG`) sets another.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clsctl.console.text import printable_text, to_json

if TYPE_CHECKING:
    from clsctl.errors import ClsctlError


_LOGGER = logging.getLogger("clsctl")
if _LOGGER.level == logging.NOTSET:
    _LOGGER.setLevel(logging.INFO)


def set_level(level: int) -> None:
    """Choose how much is said: one of the levels of `logging`."""
    _LOGGER.setLevel(level)


@contextmanager
def at_level(level: int) -> Iterator[None]:
    """Say less, or more, inside the block."""
    before = _LOGGER.level
    set_level(level)
    try:
        yield
    finally:
        set_level(before)


def says(level: int) -> bool:
    """Tell whether what has that level is said."""
    return _LOGGER.isEnabledFor(level)


def detail(text: str) -> None:
    """Print what only those who look for a fault need."""
    if says(logging.DEBUG):
        _say(text)


def status(text: str) -> None:
    """Print a line about what happens."""
    if says(logging.INFO):
        _say(text)


def note(text: str) -> None:
    """Print what the user should know although nothing failed."""
    status(f"note: {text}")


def warn(text: str) -> None:
    """Print what is wrong although the work continues."""
    if says(logging.WARNING):
        _say(f"warning: {text}")


def print_warning(message: str, code: str, hint: str) -> None:
    """Print a warning that has a code and a hint."""
    _print_coded("warning: ", "bold yellow", message, code, hint)


def print_error(error: ClsctlError, as_json: bool = False) -> None:
    """Print what happened, its code and what to do next."""
    if as_json:
        _say(to_json({"error": error.as_dict()}))
    else:
        _print_coded("error: ", "bold red", error.message, error.code, error.hint)


def _say(text: str) -> None:
    print(printable_text(text), file=sys.stderr, flush=True)


def _print_coded(label: str, style: str, message: str, code: str, hint: str) -> None:
    from clsctl.console.tables import Text, open_console

    console = open_console(sys.stderr)
    lines = [Text.assemble((label, style), message, (f" [{code}]", "dim"))]
    if hint:
        lines.append(Text.assemble(("hint: ", "bold cyan"), hint))
    console.print(*lines, sep="\n", soft_wrap=True)
