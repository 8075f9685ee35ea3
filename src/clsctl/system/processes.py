"""Run a module in a process of its own: it may load what this one shall not, or crash."""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

from clsctl.system.temporary import temporary_folder

_START = (
    "import sys; sys.path[:] = filter(None, sys.path); "
    "from clsctl.system.processes import start; start()"
)
"""As `python -m`, which would take a file of the working folder for any module that is imported.

Python 3.10 has no option that leaves the working folder out and keeps the user's site-packages.
"""

_PR_SET_PDEATHSIG = 1


def run_module(name: str, *arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a module as a script and wait for its end; on Linux it does not outlive this process.

    It works in an empty folder, which also takes the temporary files of the libraries that it
    loads, and is removed with them.

    Args:
        folder: An existing folder of ours to make that one in.
    """
    with temporary_folder(folder, 0o700) as work:
        return subprocess.run(
            [sys.executable, "-c", _START, str(os.getpid()), name, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            cwd=work,
            env=os.environ | {"TMPDIR": str(work.absolute())},
        )


def start() -> None:
    """Run the module that `run_module` asks for, in the process that it has started."""
    parent, name = int(sys.argv.pop(1)), sys.argv.pop(1)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Else it ended before it was watched. On Windows a launcher may lie between the two.
    if os.getppid() == parent or os.name == "nt":
        runpy.run_module(name, run_name="__main__", alter_sys=True)


def failure_of(child: subprocess.CompletedProcess[str]) -> str:
    """Say why a process failed: its last line, or the signal that ended it."""
    if child.returncode < 0:
        return f"it was ended by signal {-child.returncode}"
    return (child.stderr.strip().splitlines() or [f"it ended with {child.returncode}"])[-1]
