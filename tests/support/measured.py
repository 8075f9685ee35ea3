"""Run a command line in a process, and measure the most memory that it or any child of its took."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path


def peak_mb() -> int:
    """Of this process, and of each of its children, whether it lives or was waited for."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
    ended = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return max(ended, *map(_peak_kb, ["self", *children])) >> 10


def _peak_kb(process: str) -> int:
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    lines = dict(line.split(":", 1) for line in status.splitlines())
    return int(lines["VmHWM"].split()[0])


if __name__ == "__main__":
    from clsctl.main import run

    report, *arguments = sys.argv[1:]
    exit_status = run(arguments)
    Path(report).write_text(str(peak_mb()), encoding="ascii")
    os._exit(exit_status)
