"""A module of clsctl in a process of its own, for what this one shall not load or survive."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def run_module(name: str, *arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `python -m NAME ARGUMENTS` and wait for its end.

    Args:
        folder: An existing one of ours to run in: Python looks for modules in the current folder
            first, and the user's may hold files that are called like them.
    """
    return subprocess.run(
        [sys.executable, "-m", name, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        cwd=folder,
    )


def last_words(child: subprocess.CompletedProcess[str]) -> str:
    """Why it failed: its last line, or the signal that ended it."""
    if child.returncode < 0:
        return f"it was ended by signal {-child.returncode}"
    return (child.stderr.strip().splitlines() or [f"it ended with {child.returncode}"])[-1]
