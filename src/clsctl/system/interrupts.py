"""Keep Ctrl-C out of the hands of libraries in C, which crash on it or make another error of it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def on_first_signal(
    act: Callable[[], object],
    *numbers: int,
    same_s: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[None]:
    """Let the first of each of these signals do this in the block; a second acts as without.

    For the main thread: Python delivers no signals to others.

    Args:
        act: What is done; it is called in a signal handler.
        numbers: The signals.
        same_s: One that comes again within so many seconds is taken for the first.
        clock: Seconds from any point in time.
    """
    before = {number: signal.getsignal(number) for number in numbers}
    came: dict[int, float] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        if number not in came:
            came[number] = clock()
            act()
        elif clock() - came[number] >= same_s:
            signal.signal(number, before[number])
            signal.raise_signal(number)

    for number in numbers:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def late_interrupts() -> Iterator[None]:
    """Let Ctrl-C act when the block is over; a second one acts at once.

    For a few seconds in a library that calls Python from C++ and does not look at what it raised.
    """
    if not _reach_us(signal.getsignal(signal.SIGINT)):
        yield
        return
    came: list[bool] = []
    try:
        with on_first_signal(lambda: came.append(True), signal.SIGINT):
            yield
    finally:
        if came:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def certain_interrupts(*passed_on: type[Exception]) -> Iterator[None]:
    """Let Ctrl-C end the block as KeyboardInterrupt, whatever error a library makes of it.

    Args:
        passed_on: Errors that are what they are, also after Ctrl-C.
    """
    before, came = signal.getsignal(signal.SIGINT), False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        raise KeyboardInterrupt

    if not _reach_us(before):
        yield
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except passed_on:
        raise
    except Exception:
        if came:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, before)


def _reach_us(handler: object) -> bool:
    """Whether Ctrl-C is not ignored, and comes to this thread."""
    return callable(handler) and threading.current_thread() is threading.main_thread()
