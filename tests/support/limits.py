"""Run code in a process that may use only so much of the machine, and measure what it uses."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
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


def _run(
    arguments: list[str],
    memory_mb: int | None = None,
    cpu_s: int | None = None,
    file_kb: int | None = None,
) -> Limited:
    def limit() -> None:
        limits = {
            resource.RLIMIT_DATA: memory_mb and memory_mb << 20,
            resource.RLIMIT_CPU: cpu_s,
            resource.RLIMIT_FSIZE: file_kb and file_kb * 1000,
            resource.RLIMIT_CORE: 0,
        }
        for kind, value in limits.items():
            if value is not None:
                resource.setrlimit(kind, (value, value))

    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, *arguments], preexec_fn=limit, **pipes)
    outputs: list[bytes] = [b"", b""]

    def read(number: int, stream: object) -> None:
        outputs[number] = stream.read()

    readers = [
        threading.Thread(target=read, args=(number, stream))
        for number, stream in enumerate((process.stdout, process.stderr))
    ]
    for reader in readers:
        reader.start()
    _, status, usage = os.wait4(process.pid, 0)
    for reader in readers:
        reader.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    out, err = (output.decode("utf-8", "replace") for output in outputs)
    return Limited(process.returncode, out, err, usage.ru_maxrss // 1024)
