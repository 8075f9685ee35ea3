"""Notice that the process which started this one has ended, also by `kill -9`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from multiprocessing import parent_process
from multiprocessing.connection import wait


def follow_parent(end: Callable[[], object]) -> None:
    """Call a function, in a thread, once the parent process has ended."""

    def watch() -> None:
        parent = parent_process()
        if parent is not None:
            wait([parent.sentinel])
            end()

    threading.Thread(target=watch, daemon=True).start()
