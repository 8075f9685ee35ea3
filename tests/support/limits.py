"""Run code in a process that may use only so much of the machine."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path


def run_python(
    code: str, *arguments: str | Path, memory_mb: int, cpu_s: int
) -> subprocess.CompletedProcess[str]:
    """Run `python -c CODE ARGUMENTS`; beyond its memory it meets a MemoryError, beyond its time
    a signal.

    Args:
        memory_mb: What it may allocate (RLIMIT_DATA), in MiB.
        cpu_s: Seconds of one processor.
    """

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, 2 * (memory_mb << 20,))
        resource.setrlimit(resource.RLIMIT_CPU, 2 * (cpu_s,))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, preexec_fn=limit, timeout=300, check=False
    )
