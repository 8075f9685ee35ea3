"""Queue the images that wait, and classify them in threads.

Requests become items, one for each image, in one bounded queue. Each thread takes the oldest item
and those of the same model that wait behind it, as many as are run fastest together, but never more
than its share: what waits is split among the threads. No item waits for others unless `max_wait`
says so.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from clsctl.system.iteration import batched
from clsctl_serve.engine import Prepared, ServedModel, Upload, Wanted
from clsctl_serve.refusal import overloaded, too_late

if TYPE_CHECKING:
    from clsctl.result import Result

T = TypeVar("T")

SMOOTHING = 0.1
"""Weight of the newest batch in the mean time that an image takes."""


@dataclass(eq=False, slots=True)
class Call:
    """A request on its way through the queue.

    Attributes:
        model: What classifies it.
        uploads: The images.
        wanted: What its results hold.
        finish: Called once, in one of the threads, when every image has its results or the call
            has failed; never for a call that was cancelled.
        deadline: On `time.monotonic`'s clock.
        batch: Where not 0, the images are run in batches of exactly this many, apart from those of
            other requests, so that their scores are those of `clsctl predict --batch`.
        keep_pixels: Results can be drawn.
        error: Why it failed.
        wait: Seconds from its coming to its first image being taken.
        decode: Seconds of decoding and preprocessing, of all its images.
        run: Seconds of the runs of the network that its images were part of.
    """

    model: ServedModel
    uploads: Sequence[Upload]
    wanted: Wanted
    finish: Callable[[], None]
    deadline: float
    batch: int = 0
    keep_pixels: bool = False
    queued: float = field(default_factory=time.monotonic)
    cancelled: bool = False
    error: Exception | None = None
    wait: float | None = None
    decode: float = 0.0
    run: float = 0.0
    answers: list[list[Result]] = field(default_factory=list)
    _left: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def results(self) -> list[Result]:
        """The result of each image or page, in the order of the uploads."""
        return list(itertools.chain.from_iterable(self.answers))

    def items(self) -> list[Item]:
        """Make what waits in the queue, and the places of the answers."""
        groups = list(batched(self.uploads, self.batch or 1))
        self.answers = [[] for _ in groups]
        self._left = len(groups)
        return [
            Item(self, place, group, bool(self.batch) or group[0].may_have_pages)
            for place, group in enumerate(groups)
        ]

    def answer(self, place: int, results: list[Result]) -> None:
        with self._lock:
            self.answers[place] = results
            self._left -= 1
            done = self._left == 0 and not self.cancelled
        if done:
            self.finish()

    def fail(self, error: Exception) -> None:
        with self._lock:
            first = self.error is None and not self.cancelled
            self.error, self.cancelled = error, True
        if first:
            self.finish()


@dataclass(eq=False, slots=True)
class Item:
    """What one thread does in one piece; `alone` says that no other item may join it."""

    call: Call
    place: int
    uploads: Sequence[Upload]
    alone: bool


@dataclass(frozen=True, slots=True)
class Observed:
    """What a thread reports of a batch: images in it, and seconds of its run."""

    images: int
    run: float


class Scheduler:
    """The queue and its threads.

    Args:
        threads: How many batches are under way at the same time.
        capacity: Images that may wait.
        max_wait: Seconds that a batch which is not full waits for more images.
        observe: Told of every batch.
    """

    def __init__(
        self,
        threads: int,
        capacity: int,
        max_wait: float = 0.0,
        observe: Callable[[Observed], None] = lambda batch: None,
    ) -> None:
        self._capacity, self._max_wait, self._observe = capacity, max_wait, observe
        self._count = threads
        self._queue: deque[Item] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._at_work = 0
        self._seconds = 0.0
        self._threads = [
            threading.Thread(target=self._work, name="clsctl-serve", daemon=True)
            for _ in range(threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float) -> None:
        """Let the threads finish what waits, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def depth(self) -> int:
        """Items that wait."""
        return len(self._queue)

    def submit(self, call: Call) -> None:
        """Put a call's images at the end of the queue.

        Raises:
            Refusal: There is no place, or they would not be classified in time (`E_OVERLOADED`).
        """
        items = call.items()
        with self._changed:
            ahead = len(self._queue)
            expected = ahead * self._seconds / self._count
            if ahead + len(items) > self._capacity or self._closed:
                raise overloaded(expected)
            if time.monotonic() + expected > call.deadline:
                raise overloaded(expected)
            self._queue.extend(items)
            self._changed.notify(len(items))

    def cancel(self, call: Call) -> None:
        """Free the places of a call that nobody waits for any more."""
        call.cancelled = True
        with self._changed:
            self._queue = deque(item for item in self._queue if item.call is not call)

    def _work(self) -> None:
        while items := self._take():
            begun = time.monotonic()
            try:
                self._answer(items, begun)
            except Exception as error:  # noqa: BLE001 - the thread has to outlive any failure
                for item in items:
                    item.call.fail(error)
            took = (time.monotonic() - begun) / len(items)
            with self._changed:
                self._at_work -= 1
                self._seconds += SMOOTHING * (took - self._seconds)

    def _take(self) -> list[Item]:
        """Wait for the oldest item and those that join it; none once the queue has ended."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._queue or self._closed)
                if not self._queue:
                    return []
                self._await_more(self._queue[0])
                if self._queue:  # no other thread was faster
                    return self._pop_batch()

    def _await_more(self, first: Item) -> None:
        """Wait, no longer than is allowed, until there are as many as are run together."""
        until = first.call.queued + self._max_wait
        while not (first.alone or self._closed) and len(self._queue) < first.call.model.batch:
            left = until - time.monotonic()
            if left <= 0 or not self._changed.wait(left):
                return

    def _pop_batch(self) -> list[Item]:
        self._at_work += 1
        share = -(-len(self._queue) // self._count)
        first = self._queue.popleft()
        items = [first]
        if not first.alone:
            room = min(first.call.model.batch, share)
            while len(items) < room and self._queue and self._joins(first, self._queue[0]):
                items.append(self._queue.popleft())
        return items

    @staticmethod
    def _joins(first: Item, other: Item) -> bool:
        return not other.alone and other.call.model is first.call.model

    def _answer(self, items: Sequence[Item], begun: float) -> None:
        live = [item for item in items if _is_live(item, begun)]
        for item in live:
            if item.call.wait is None:
                item.call.wait = begun - item.call.queued
        if len(live) == 1:
            self._answer_pages(live[0])
        elif live:
            self._answer_together(live)

    def _answer_together(self, items: Sequence[Item]) -> None:
        """Answer items of one image each, in one run."""
        prepared = [next(_read(item)) for item in items]
        results = self._run(prepared, [item.call for item in items])
        for item, result in zip(items, results, strict=True):
            item.call.answer(item.place, [result])

    def _answer_pages(self, item: Item) -> None:
        """Answer an item of several images or pages, in batches of its own."""
        call = item.call
        results: list[Result] = []
        for group in batched(_read(item), call.batch or call.model.batch):
            results += self._run(group, [call] * len(group))
            if not _is_live(item, time.monotonic()):
                return
        call.answer(item.place, results)

    def _run(self, batch: Sequence[Prepared], calls: Sequence[Call]) -> list[Result]:
        """Return the results of a batch, of which each image belongs to a call."""
        begun = time.monotonic()
        wanted = [call.wanted for call in calls]
        results = calls[0].model.run(batch, wanted, lone=self._at_work == 1 and not self._queue)
        took = time.monotonic() - begun
        for call in dict.fromkeys(calls):
            call.run += took
        self._observe(Observed(len(batch), took))
        return results


def _read(item: Item) -> Iterator[Prepared]:
    """Read everything that an item holds as the iterator advances; the time is the call's."""
    call = item.call
    for upload in item.uploads:
        pages = call.model.read(upload, call.keep_pixels)
        while True:
            begun = time.monotonic()
            prepared = next(pages, None)
            call.decode += time.monotonic() - begun
            if prepared is None:
                break
            yield prepared


def _is_live(item: Item, now: float) -> bool:
    """Return whether somebody still waits for it; a call that is too late fails here."""
    if item.call.cancelled:
        return False
    if now > item.call.deadline:
        item.call.fail(too_late(item.call.deadline - item.call.queued))
        return False
    return True
