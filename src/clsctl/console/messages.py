"""What a person should know although nothing failed: one line on standard error."""

from __future__ import annotations

import sys


def note(text: str) -> None:
    """Say it on standard error, where results are not disturbed."""
    print(f"note: {text}", file=sys.stderr)
