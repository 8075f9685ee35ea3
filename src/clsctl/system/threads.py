"""Work done in threads whose results come in the order of the items, a bounded number ahead."""

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
"""How long results gather before who takes them is woken again.

To be woken for every one of many short pieces of work takes as much of a processor as all else that
is done for an image beside decoding and running it.
"""


@contextmanager
def ordered_map(work: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[Iterator[R]]:
    """`work(item)` for each item, done by that many threads from now to the end of the block.

    The threads take the items themselves, one thread at a time, so that a result never waits for
    an item that has not come yet. Nothing waits for them at the end: what they still do may take
    long, and is of no use.

    Yields:
        The results, in the order of the items. What `items` or `work` raise is raised in its place.
    """
    line = _Line(work, items, threads * AHEAD)
    for _ in range(threads):
        threading.Thread(target=line.toil, name="clsctl", daemon=True).start()
    try:
        yield line.results()
    finally:
        line.over = True
        line.slots.release(threads)


class _Line(Generic[T, R]):
    """Items on their way: taken in order, done in any order, passed on in order.

    Whoever waits for results is woken when the next one is there, and not for any other.
    """

    def __init__(self, work: Callable[[T], R], items: Iterable[T], ahead: int) -> None:
        self.slots, self.over = threading.Semaphore(ahead), False
        self._work, self._items = work, iter(items)
        self._taking, self._passing = threading.Lock(), threading.Lock()
        self._taken = self._passed = 0
        # A function gives a result or raises an error; None stands after the last item.
        self._done: dict[int, Callable[[], R] | None] = {}
        self._ready: queue.SimpleQueue[Callable[[], R] | None] = queue.SimpleQueue()

    def results(self) -> Iterator[R]:
        for count in itertools.count(1):
            result = self._ready.get()
            if result is None:
                return
            yield result()
            self.slots.release()
            if count > AHEAD and self._ready.empty():  # the first few come as they are
                time.sleep(PAUSE_S)

    def toil(self) -> None:
        """What each thread does."""
        while (taken := self._take()) is not None:
            number, item = taken
            self._pass(number, _attempt(self._work, item))

    def _take(self) -> tuple[int, T] | None:
        with self._taking:
            self.slots.acquire()
            if self.over:
                return None
            number, self._taken = self._taken, self._taken + 1
            try:
                return number, next(self._items)
            except StopIteration:
                self._pass(number, None)
            except BaseException as error:  # noqa: BLE001 - raised where the result is taken
                self._pass(number, functools.partial(_raise, error))
            return None

    def _pass(self, number: int, result: Callable[[], R] | None) -> None:
        with self._passing:
            self._done[number] = result
            while self._passed in self._done:
                self._ready.put(self._done.pop(self._passed))
                self._passed += 1


def _attempt(work: Callable[[T], R], item: T) -> Callable[[], R]:
    try:
        result = work(item)
    except BaseException as error:  # noqa: BLE001 - raised where the result is taken
        return functools.partial(_raise, error)
    return lambda: result


def _raise(error: BaseException) -> NoReturn:
    raise error
