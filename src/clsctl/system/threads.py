"""Work in threads, a bounded number of items ahead, with results in the order of the items."""

from __future__ import annotations

import functools
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, NoReturn, TypeVar

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 8
"""Items of each thread that may be under way, or done and not yet taken."""

PAUSE_S = 0.005
"""How long the consumer sleeps when it has taken all results that are there.

To be woken for every one of many short pieces of work takes as much of a processor as all else that
is done for an image beside decoding and running it.
"""


@contextmanager
def ordered_map(work: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[Iterator[R]]:
    """Do `work(item)` for each item, in that many threads, from now to the end of the block.

    The threads take the items themselves, one thread at a time, so that a result never waits for
    an item that has not come yet. Nothing waits for them at the end: what they still do may take
    long, and is of no use.

    Yields:
        The results, in the order of the items. What `items` or `work` raise is raised in its place.
    """
    tasks = _OrderedTasks(work, items, threads * AHEAD)
    for _ in range(threads):
        threading.Thread(target=tasks.run, name="clsctl", daemon=True).start()
    try:
        yield tasks.results()
    finally:
        tasks.stop(threads)


class _OrderedTasks(Generic[T, R]):
    """Items that are taken in order, done in any order, and whose results come out in order.

    Whoever waits for results is woken when the next one is there, and not for any other.
    """

    def __init__(self, work: Callable[[T], R], items: Iterable[T], ahead: int) -> None:
        self._work, self._items = work, iter(items)
        self._slots, self._stopped = threading.Semaphore(ahead), False
        self._taking, self._finishing = threading.Lock(), threading.Lock()
        self._taken = self._released = 0
        # A function returns a result or raises an error; None stands after the last item.
        self._done: dict[int, Callable[[], R] | None] = {}
        self._ready: queue.SimpleQueue[Callable[[], R] | None] = queue.SimpleQueue()

    def results(self) -> Iterator[R]:
        for count in itertools.count(1):
            result = self._ready.get()
            if result is None:
                return
            yield result()
            self._slots.release()
            if count > AHEAD and self._ready.empty():  # the first few come as they are
                time.sleep(PAUSE_S)

    def run(self) -> None:
        """Do one item after the other; this is what each thread runs."""
        while (taken := self._take()) is not None:
            number, item = taken
            self._finish(number, _attempt(self._work, item))

    def stop(self, threads: int) -> None:
        """Let so many threads end after the item that they are doing."""
        self._stopped = True
        self._slots.release(threads)

    def _take(self) -> tuple[int, T] | None:
        with self._taking:
            self._slots.acquire()
            if self._stopped:
                return None
            number, self._taken = self._taken, self._taken + 1
            try:
                return number, next(self._items)
            except StopIteration:
                self._finish(number, None)
            except BaseException as error:  # noqa: BLE001 - raised where the result is taken
                self._finish(number, functools.partial(_raise, error))
            return None

    def _finish(self, number: int, result: Callable[[], R] | None) -> None:
        """Keep a result until those before it are there, and release all that are next."""
        with self._finishing:
            self._done[number] = result
            while self._released in self._done:
                self._ready.put(self._done.pop(self._released))
                self._released += 1


def _attempt(work: Callable[[T], R], item: T) -> Callable[[], R]:
    """Do the work, and return a function that returns its result or raises its error."""
    try:
        result = work(item)
    except BaseException as error:  # noqa: BLE001 - raised where the result is taken
        return functools.partial(_raise, error)
    return lambda: result


def _raise(error: BaseException) -> NoReturn:
    raise error


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Keep OpenCV from starting threads of its own, which would be in the way of the caller's."""
    import cv2

    threads = cv2.getNumThreads()
    cv2.setNumThreads(0)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
