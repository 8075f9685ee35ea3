"""Answer requests in this process: load its models, and bring requests to them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clsctl.errors import ClsctlError
from clsctl.paths import is_dir, is_file
from clsctl_serve.base import BaseService, Slot, find_slots
from clsctl_serve.batching import Call, Scheduler
from clsctl_serve.engine import (
    ServedModel,
    Upload,
    Wanted,
    load_served,
    worker_threads,
)
from clsctl_serve.explain import Explainer
from clsctl_serve.limits import ClientGone, Receive
from clsctl_serve.refusal import Refusal, too_late
from clsctl_serve.urls import Fetcher

log = logging.getLogger("clsctl_serve")

POLL_S = 1.0
"""Between two looks at the model directories, with `reload`."""


@dataclass
class Service(BaseService):
    """A process that has models and a queue of its own."""

    loading: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        threads, wait = worker_threads(self.options), self.options.max_wait_ms / 1000
        self.scheduler = Scheduler(threads, self.options.queue, wait, self.metrics.observe_batch)
        self.explainer = Explainer(self.options.timeout)
        self.fetcher = Fetcher(self.options.allow_urls, self.options.max_body)
        self.metrics.watch_queue(lambda: self.scheduler.depth)

    # ---- models --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load every model; the queue works from the first one on.

        Raises:
            ClsctlError: Not one could be loaded; the default's error.
        """
        self.scheduler.start()
        self.slots = await asyncio.to_thread(find_slots, self.options)
        await self.reload()
        self.loading = False
        if self.options.reload:
            self._spawn(self._watch())
        if all(slot.model is None for slot in self.slots.values()):
            raise next(slot.error for slot in self.slots.values() if slot.error)

    async def reload(self) -> None:
        async with self._reloading:
            for name, slot in self.slots.items():
                if slot.path is not None and (stamp := _stamp(slot.path)) != slot.stamp:
                    slot.stamp = stamp
                    await self._load(name, slot, slot.path)

    async def stop(self) -> None:
        self.draining = True
        for task in self._tasks:
            task.cancel()
        self.explainer.stop()
        await asyncio.to_thread(self.scheduler.stop, self.options.timeout)

    def readiness(self) -> tuple[bool, dict[str, str]]:
        states = {
            name: slot.error.code if slot.error else "ready" if slot.model else "loading"
            for name, slot in self.slots.items()
        }
        some = any(slot.model for slot in self.slots.values())
        return some and not self.loading and not self.draining, states

    def summary(self) -> str:
        found = [slot.model for slot in self.slots.values() if slot.model]
        return ", ".join(f"{m.name} on {m.job.placement} with {m.backend}" for m in found)

    @property
    def default(self) -> str:
        """Name of the model that requests without one mean."""
        return next(iter(self.slots), "")

    def model(self, name: str | None = None) -> ServedModel:
        """Return the model of that name, or the default one.

        Raises:
            Refusal: There is none (404), or it is not loaded (503).
        """
        slot = self.slots.get(self.default if name is None else name)
        if slot is not None and slot.model is not None:
            return slot.model
        if self.loading:
            raise Refusal(503, "E_MODEL_LOADING", "the model is being loaded", retry_after=1)
        if slot is None:
            known = ", ".join(self.slots)
            raise Refusal(404, "E_MODEL_UNKNOWN", f"there is no model '{name}' here", known)
        code = slot.error.code if slot.error else "E_MODEL"
        message = f"the model could not be loaded ({code}); the server's log says why"
        raise Refusal(503, "E_MODEL_UNAVAILABLE", message)

    async def _load(self, name: str, slot: Slot, path: Path) -> None:
        begun = time.monotonic()
        try:
            model = await asyncio.to_thread(load_served, name, path, self.options)
        except ClsctlError as error:
            slot.error = error
            log.error("model not loaded", extra={"model": name, "reason": error.message})
            return
        slot.model, slot.error = model, None
        self.metrics.set_model(model)
        log.info(
            "model loaded",
            extra={
                "model": name,
                "version": model.version[:12],
                "backend": model.backend,
                "precision": model.precision,
                "batch": model.batch,
                "seconds": round(time.monotonic() - begun, 2),
            },
        )

    async def _watch(self) -> None:
        """Reload whatever has changed and then kept still for one look."""
        before: dict[str, object] = {}
        while True:
            await asyncio.sleep(POLL_S)
            now = {name: _stamp(slot.path) for name, slot in self.slots.items() if slot.path}
            if now == before and any(self.slots[name].stamp != now[name] for name in now):
                await self.reload()
            before = now

    # ---- requests ------------------------------------------------------------------------------

    async def classify(
        self,
        model: ServedModel,
        uploads: Sequence[Upload],
        wanted: Wanted,
        receive: Receive,
        deadline: float,
        batch: int = 0,
        keep_pixels: bool = False,
    ) -> Call:
        """Classify a request's images, for as long as its client is there.

        Args:
            receive: The request's, whose body has been read.
            deadline: On `time.monotonic`'s clock.
            batch: As for `Call`.
            keep_pixels: As for `Call`.

        Raises:
            Refusal: There is no place in the queue, or the deadline has passed.
            ClientGone: The client went away.
            ClsctlError: The model failed.
        """
        if len(uploads) > self.options.queue:
            most = f"a request may have {self.options.queue} images"
            raise Refusal(413, "E_BODY_TOO_LARGE", f"{most}, and this one has {len(uploads)}")
        done, finish = _completion()
        call = Call(model, uploads, wanted, finish, deadline, batch, keep_pixels)
        self.scheduler.submit(call)
        try:
            gone = await _gone_before(receive, done, deadline - time.monotonic())
        finally:
            if not done.done():
                self.scheduler.cancel(call)
        if not done.done():
            raise ClientGone if gone else too_late(self.options.timeout)
        if call.error is not None:
            raise call.error
        self.metrics.observe_call(call)
        return call


def _completion() -> tuple[asyncio.Future[None], Callable[[], None]]:
    """Make a future, and a function that completes it from any thread."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def finish() -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed
            loop.call_soon_threadsafe(_complete, done)

    return done, finish


async def _gone_before(receive: Receive, done: asyncio.Future[None], seconds: float) -> bool:
    """Wait for a future, for a while; return whether the client left before."""
    gone = asyncio.ensure_future(receive())
    try:
        waited, _ = await asyncio.wait(
            (done, gone), timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        return gone in waited
    finally:
        gone.cancel()


def _complete(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _stamp(path: Path) -> object:
    """Say what the files of a model directory are like; None where it is not there."""
    folder = path if is_dir(path) else path.parent
    try:
        found = [(entry.name, entry.stat()) for entry in folder.iterdir() if is_file(entry)]
    except OSError:
        return None
    return sorted((name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in found)
