"""Tell the user something on standard error, where results are not disturbed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clsctl.errors import ClsctlError


def status(text: str) -> None:
    """Print a line about what happens."""
    print(text, file=sys.stderr, flush=True)


def note(text: str) -> None:
    """Print what the user should know although nothing failed."""
    status(f"note: {text}")


def warn(text: str) -> None:
    """Print what is wrong although the work continues."""
    status(f"warning: {text}")


def print_warning(message: str, code: str, hint: str) -> None:
    """Print a warning that has a code and a hint."""
    _print_coded("warning: ", "bold yellow", message, code, hint)


def print_error(error: ClsctlError, as_json: bool = False) -> None:
    """Print what happened, its code and what to do next."""
    if as_json:
        import json

        status(json.dumps({"error": error.as_dict()}, ensure_ascii=False))
    else:
        _print_coded("error: ", "bold red", error.message, error.code, error.hint)


def _print_coded(label: str, style: str, message: str, code: str, hint: str) -> None:
    from rich.text import Text

    from clsctl.console.tables import open_console

    text = Text.assemble((label, style), message, (f" [{code}]", "dim"))
    if hint:
        text.append("\n").append("hint: ", "bold cyan").append(hint)
    open_console(sys.stderr).print(text, soft_wrap=True)
