"""Run code in a process that may use only so much of the machine, and measure what it uses."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Limited:
    """How a process ended; its peak of memory includes that of the processes it started."""

    returncode: int
    stdout: str
    stderr: str
    peak_mb: int


def run_python(
    code: str, *arguments: str | Path, memory_mb: int | None = None, cpu_s: int | None = None
) -> Limited:
    """Run `python -c CODE ARGUMENTS`.

    Args:
        memory_mb: What it may allocate (RLIMIT_DATA), in MiB.
        cpu_s: Seconds of one processor.
    """
    return _run(["-c", code, *map(str, arguments)], memory_mb=memory_mb, cpu_s=cpu_s)


def run_clsctl(
    *arguments: str | Path, file_kb: int | None = None, cpu_s: int | None = None
) -> Limited:
    """Run `clsctl ARGUMENTS`.

    Args:
        cpu_s: Seconds of one processor, for each process.
        file_kb: How large a file may become, in units of 1,000 bytes: beyond that the system
            answers as a full disk does.
    """
    return _run(["-m", "clsctl", *map(str, arguments)], file_kb=file_kb, cpu_s=cpu_s)


LAUNCHER = """
import json, os, resource, subprocess, sys
limits, report, *command = json.loads(sys.argv[1]), *sys.argv[2:]
def limit():
    for kind, value in limits:
        resource.setrlimit(kind, (value, value))
process = subprocess.Popen(command, preexec_fn=limit)
_, status, usage = os.wait4(process.pid, 0)
with open(report, "w") as stream:
    json.dump([status, usage.ru_maxrss], stream)
"""
"""What stands between: the memory of a process that starts another counts as the other's peak."""


def _run(
    arguments: list[str],
    memory_mb: int | None = None,
    cpu_s: int | None = None,
    file_kb: int | None = None,
) -> Limited:
    wanted = {
        resource.RLIMIT_DATA: memory_mb and memory_mb << 20,
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_FSIZE: file_kb and file_kb * 1000,
        resource.RLIMIT_CORE: 0,
    }
    limits = json.dumps([(kind, value) for kind, value in wanted.items() if value is not None])
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        launcher = [sys.executable, "-c", LAUNCHER, limits, str(report)]
        done = subprocess.run(
            [*launcher, sys.executable, *arguments],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=True,
        )
        status, peak_kb = json.loads(report.read_text(encoding="ascii"))
    out, err = (output.decode("utf-8", "replace") for output in (done.stdout, done.stderr))
    return Limited(os.waitstatus_to_exitcode(status), out, err, peak_kb // 1024)
