"""Tell the user something on standard error, where results are not disturbed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from clsctl.console.text import printable_text, to_json

if TYPE_CHECKING:
    from clsctl.errors import ClsctlError


def status(text: str) -> None:
    """Print a line about what happens."""
    print(printable_text(text), file=sys.stderr, flush=True)


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
        status(to_json({"error": error.as_dict()}))
    else:
        _print_coded("error: ", "bold red", error.message, error.code, error.hint)


def _print_coded(label: str, style: str, message: str, code: str, hint: str) -> None:
    from clsctl.console.tables import Text, open_console

    console = open_console(sys.stderr)
    lines = [Text.assemble((label, style), message, (f" [{code}]", "dim"))]
    if hint:
        lines.append(Text.assemble(("hint: ", "bold cyan"), hint))
    console.print(*lines, sep="\n", soft_wrap=True)
