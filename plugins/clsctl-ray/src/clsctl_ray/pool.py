"""Give shards to workers, and get results in the order of the shards; a lost worker loses nothing.

Ray could restart actors and repeat their calls itself, but only where there is room for the new
one: after a node is gone, its calls would wait for ever. Here a lost worker's shard goes to
whichever worker is free next, and a new worker is used when there is room for it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from clsctl.console.messages import note
from clsctl.errors import ClsctlError, DeviceError
from clsctl_ray.shards import Shard

AHEAD = 4
"""Shards for each worker that may be under way, or done and waiting for one before them."""

MAX_LOSSES = 3
"""Workers that a shard may cost before it is taken for the cause."""

NOTICE_S = 60
"""Seconds without any worker after which the user is told."""


class WorkerPool:
    """Workers, and what each of them is doing.

    Args:
        start: Starts a worker; returns it and the reference to its being ready.
        submit: Gives a worker a shard; returns the reference to its result.
        size: How many workers there are, or fewer where there are not as many shards.
    """

    def __init__(
        self,
        start: Callable[[], tuple[Any, Any]],
        submit: Callable[[Any, Shard], Any],
        size: int,
    ) -> None:
        self._start, self._submit, self._size = start, submit, size
        self._waiting: deque[Shard] = deque()
        self._idle: deque[Any] = deque()
        self._busy: dict[Any, tuple[Any, Shard | None]] = {}
        self._losses: Counter[int | None] = Counter()

    def map(self, shards: Iterable[Shard]) -> Iterator[tuple[Shard, Any]]:
        """Yield every shard with its result, once and in order.

        Raises:
            ClsctlError: What a worker raised.
            DeviceError: Workers are lost again and again (`E_WORKER_LOST`).
        """
        source = iter(shards)
        expected = deque(islice(source, self._size))
        self._waiting.extend(expected)
        for _ in expected:
            self._start_worker()
        done: dict[int, Any] = {}
        while expected:
            more = list(islice(source, self._size * AHEAD - len(expected)))
            self._waiting.extend(more)
            expected.extend(more)
            number, result = self._next_result()
            done[number] = result
            while expected and expected[0].number in done:
                shard = expected.popleft()
                yield shard, done.pop(shard.number)

    def _next_result(self) -> tuple[int, Any]:
        import ray
        from ray.exceptions import RayError, RayTaskError

        while True:
            self._assign()
            reference = self._wait()
            worker, shard = self._busy.pop(reference)
            try:
                result = ray.get(reference)
            except RayTaskError as error:
                raise error.cause if isinstance(error.cause, ClsctlError) else error from None
            except RayError as error:
                self._replace(worker, shard, error)
                continue
            self._idle.append(worker)
            if shard is not None:
                return shard.number, result
            del self._losses[None]

    def _assign(self) -> None:
        while self._idle and self._waiting:
            worker, shard = self._idle.popleft(), self._waiting.popleft()
            self._busy[self._submit(worker, shard)] = worker, shard

    def _wait(self) -> Any:
        import ray

        while True:
            ready, _ = ray.wait(list(self._busy), timeout=NOTICE_S)
            if ready:
                return ready[0]
            if all(shard is None for _, shard in self._busy.values()):
                note("no worker has started yet: the cluster has no room, or the model loads")

    def _start_worker(self) -> None:
        worker, ready = self._start()
        self._busy[ready] = worker, None

    def _replace(self, worker: Any, shard: Shard | None, error: Exception) -> None:
        """Start another worker, and end what is left of this one, which might still answer."""
        import ray

        ray.kill(worker)
        number = shard.number if shard else None
        self._losses[number] += 1
        if self._losses[number] >= (MAX_LOSSES if shard else MAX_LOSSES * self._size):
            raise _too_many_losses(shard, error)
        if shard is not None:
            note(f"a worker was lost; its shard {number} is done again")
            self._waiting.appendleft(shard)
        self._start_worker()


def _too_many_losses(shard: Shard | None, error: Exception) -> DeviceError:
    where = "before they were ready"
    if shard is not None:
        where = f"at shard {shard.number}, from {shard.sources[0].name}"
    reason = " ".join(str(error).split())
    return DeviceError(
        f"worker after worker was lost {where}: {reason}",
        code="E_WORKER_LOST",
        hint="give each more memory (fewer --workers), or look into Ray's logs on the node",
    )
