"""Bound what this process may take, where it does what others ask for."""

from __future__ import annotations

import contextlib
import signal

TIME_USED_UP = -getattr(signal, "SIGXCPU", 24)
"""How a process ends that `limit_processor_time` bounds; Windows knows no such signal."""


def limit_memory(size: int) -> None:
    """Let this process allocate so many bytes and no more, where the system can see to that.

    Beyond them Python meets a MemoryError, and a library whatever it makes of that.
    """
    _limit("RLIMIT_DATA", size)


def limit_processor_time(seconds: int) -> None:
    """Let the system end this process, by SIGXCPU, once it has used so much of one core's time."""
    _limit("RLIMIT_CPU", seconds)
    _limit("RLIMIT_CORE", 0)  # which that signal would write


def _limit(name: str, value: int) -> None:
    """Set a limit, as far as one is not lower already."""
    with contextlib.suppress(ImportError, AttributeError, ValueError, OSError):
        import resource

        kind = getattr(resource, name)
        soft, most = resource.getrlimit(kind)
        lower = soft != resource.RLIM_INFINITY and soft < value
        resource.setrlimit(kind, (soft if lower else value, most))
