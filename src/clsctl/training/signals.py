"""Stop at the next step, not in the middle of one, on Ctrl-C and SIGTERM."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from clsctl.system.interrupts import on_first_signal

Stop = threading.Event


SAME_S = 1.0
"""What comes so soon again is the same request: launchers pass on what the terminal has sent."""


@contextmanager
def stop_requests(clock: Callable[[], float] = time.monotonic) -> Iterator[Stop]:
    """Yield an event that is set on the first signal; a second one acts at once, as without.

    Outside the main thread, where Python delivers no signals, it is never set.

    Args:
        clock: Seconds from any point in time.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    with on_first_signal(stop.set, signal.SIGINT, signal.SIGTERM, same_s=SAME_S, clock=clock):
        yield stop
