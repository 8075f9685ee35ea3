"""Run code in a process that is really killed (SIGKILL) at the n-th thing it asks of the system."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

EVENTS = ("open", "os.", "shutil.")


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Run `work` in a child; whether the kill came before it was done."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == signal.SIGKILL
    left = step

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event.startswith(EVENTS):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    try:
        work()
    finally:
        os._exit(0)
