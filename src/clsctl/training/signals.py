"""Stop at the next step, not in the middle of one, on Ctrl-C and SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from clsctl.system.interrupts import on_first_signal

Stop = threading.Event


@contextmanager
def stop_requests() -> Iterator[Stop]:
    """Yield an event that is set on the first signal; a second one acts at once, as without.

    Outside the main thread, where Python delivers no signals, it is never set.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    with on_first_signal(stop.set, signal.SIGINT, signal.SIGTERM):
        yield stop
