"""Set the variables that make Paddle train fast on a processor, which must be there at a start.

Libraries read them once, when they are loaded. So `clsctl train` replaces its process by one that
has them, before anything heavy is imported. What the user has set is left as it is.
Only the command line does this; `clsctl.train` changes no variable.
"""

from __future__ import annotations

import logging
import os
import platform
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from clsctl.console.messages import at_level
from clsctl.settings import load_settings
from clsctl.system.cpu import available_cores

MARK = "CLSCTL_TRAINING_PROCESS"

_MODULE = Path(__file__).parents[2] / "__main__.py"

# Keep freed memory instead of giving it back and asking for it again in every step.
GLIBC_MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(8 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
    "MALLOC_ARENA_MAX": "1",
}


def restart_with_variables() -> None:
    """Start over with the variables; does nothing where that was done, or inside another program.

    The process keeps its number, its terminal and its standard streams.
    """
    program = Path(sys.argv[0]).absolute()
    if MARK in os.environ or (program.name != "clsctl" and program != _MODULE):
        return
    wanted = variables()
    if not wanted:  # Windows would start another process beside this one, and go back to the shell
        return
    environment = wanted | dict(os.environ) | {MARK: "1"}
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def noting_once() -> AbstractContextManager[None]:
    """Leave out notes inside the block in a process that was restarted, which has said them."""
    return at_level(logging.WARNING) if MARK in os.environ else nullcontext()


def threads(processes: int) -> int:
    """Count the threads for each of so many processes that train on this machine."""
    return load_settings().threads or max(available_cores() // processes, 1)


def variables() -> dict[str, str]:
    """Return the variables that make training fast on this machine."""
    wanted: dict[str, str] = {}
    if platform.libc_ver()[0] == "glibc":
        wanted |= GLIBC_MALLOC
    if _is_amd():
        # The MKL in Paddle's wheel takes slow paths on processors that it does not know.
        wanted["MKL_DEBUG_CPU_TYPE"] = "5"
    return wanted


def _is_amd() -> bool:
    try:
        facts = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        return False
    return "AuthenticAMD" in facts
