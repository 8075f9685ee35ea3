"""Set up what this process prints, of its own and of its libraries."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from typing import TextIO

from clsctl.console import messages


def write_utf8() -> None:
    """Write UTF-8, in the C locale too: results hold any language."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")


def quieten_libraries() -> None:
    """Print warnings of libraries as lines, and hide OpenCV's own report of damaged files."""
    warnings.showwarning = _show_warning
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    # Every request, as soon as any other library turns logs on.
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a library's warning as all text is printed."""
    messages.status(f"{filename}:{lineno}: {category.__name__}: {message}")
