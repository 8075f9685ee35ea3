"""Work in threads, a bounded number of items ahead, with results in the order of the items."""

from __future__ import annotations

import functools
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import Enum
from typing import Generic, NoReturn, TypeVar

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 8
"""Items of each thread that may be under way, or done and not yet taken, unless said otherwise."""

PAUSE_S = 0.005
"""How long the consumer sleeps when it has taken all results that are there.

To be woken for every one of many short pieces of work takes as much of a processor as all else that
is done for an image beside decoding and running it.
"""


def ordered_map(
    work: Callable[[T], R], items: Iterable[T], threads: int, ahead: int = 0
) -> AbstractContextManager[Iterator[R]]:
    """Do `work(item)` for each item; otherwise as `ordered_flat_map`."""
    return ordered_flat_map(lambda item: iter([work(item)]), items, threads, ahead)


@contextmanager
def ordered_flat_map(
    work: Callable[[T], Iterator[R]], items: Iterable[T], threads: int, ahead: int = 0
) -> Iterator[Iterator[R]]:
    """Do `work(item)` for each item, in that many threads, from now to the end of the block.

    The threads take the items themselves, one thread at a time, so that a result never waits for
    an item that has not come yet. Nothing waits for them at the end: what they still do may take
    long, and is of no use.

    Args:
        ahead: Items that may be under way, or done and not yet taken; 0 is AHEAD for each thread.

    Yields:
        The results, in the order of the items, each as soon as it is there and those before it
        are. What `items` or `work` raise is raised in its place.
    """
    tasks = _OrderedTasks(work, items, ahead or threads * AHEAD)
    for _ in range(threads):
        threading.Thread(target=tasks.run, name="clsctl", daemon=True).start()
    try:
        yield tasks.results()
    finally:
        tasks.stop(threads)


class _Mark(Enum):
    """What stands behind the results of an item, and behind the last item."""

    ITEM_DONE = 1
    ALL_DONE = 2


class _OrderedTasks(Generic[T, R]):
    """Items that are taken in order, done in any order, and whose results come out in order.

    Whoever waits for results is woken when the next one is there, and not for any other.
    """

    def __init__(self, work: Callable[[T], Iterator[R]], items: Iterable[T], ahead: int) -> None:
        self._work, self._items = work, iter(items)
        self._stopped = False
        # A semaphore would stay locked for ever where Ctrl-C comes while the consumer locks it.
        self._slots: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._free_slots(ahead)
        self._taking, self._passing = threading.Lock(), threading.Lock()
        self._taken = self._turn = 0
        # A function returns a result or raises an error.
        self._early: dict[int, list[Callable[[], R] | _Mark]] = {}
        self._ready: queue.SimpleQueue[Callable[[], R] | _Mark] = queue.SimpleQueue()

    def results(self) -> Iterator[R]:
        done = 0
        while (outcome := self._ready.get()) is not _Mark.ALL_DONE:
            if not isinstance(outcome, _Mark):
                yield outcome()
                continue
            self._free_slots(1)
            done += 1
            if done > AHEAD and self._ready.empty():  # the first few come as they are
                time.sleep(PAUSE_S)

    def run(self) -> None:
        """Do one item after the other; this is what each thread runs."""
        while (taken := self._take()) is not None:
            number, item = taken
            try:
                for result in self._work(item):
                    self._pass(number, functools.partial(_return, result))
                    if self._stopped:
                        return
            except BaseException as error:  # noqa: BLE001 - raised where the result is taken
                self._pass(number, functools.partial(_raise, error))
            self._pass(number, _Mark.ITEM_DONE)

    def stop(self, threads: int) -> None:
        """Let so many threads end after the result that they are working on."""
        self._stopped = True
        self._free_slots(threads)

    def _free_slots(self, slots: int) -> None:
        for _ in range(slots):
            self._slots.put(None)

    def _take(self) -> tuple[int, T] | None:
        with self._taking:
            self._slots.get()
            if self._stopped:
                return None
            number, self._taken = self._taken, self._taken + 1
            try:
                return number, next(self._items)
            except StopIteration:
                self._pass(number, _Mark.ALL_DONE)
            except BaseException as error:  # noqa: BLE001 - raised where the result is taken
                self._pass(number, functools.partial(_raise, error))
            return None

    def _pass(self, number: int, outcome: Callable[[], R] | _Mark) -> None:
        """Let a result out, or keep it until those of the items before it are out."""
        with self._passing:
            self._early.setdefault(number, []).append(outcome)
            while outcomes := self._early.pop(self._turn, None):
                for one in outcomes:
                    self._ready.put(one)
                self._turn += outcomes[-1] is _Mark.ITEM_DONE


def _return(result: R) -> R:
    return result


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
