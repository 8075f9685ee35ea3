"""Hold what each process that takes requests needs, whoever answers them."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path

from clsctl.errors import ClsctlError
from clsctl_serve.engine import ServedModel, find_models
from clsctl_serve.limits import BodyReader
from clsctl_serve.metrics import Metrics
from clsctl_serve.options import ServeOptions


@dataclass
class Slot:
    """A model's place in the server.

    Attributes:
        path: Its directory; None where it could not be found.
        model: What answers requests; None where nothing could be loaded yet.
        error: Why the newest attempt to load it failed.
        stamp: What the directory's files were like at that attempt.
    """

    path: Path | None
    model: ServedModel | None = None
    error: ClsctlError | None = None
    stamp: object = None


def find_slots(options: ServeOptions) -> dict[str, Slot]:
    """Find the place of each model, the default first; nothing is loaded yet."""
    return {
        name: Slot(None, error=where) if isinstance(where, ClsctlError) else Slot(where)
        for name, where in find_models(options).items()
    }


@dataclass
class BaseService(ABC):
    """Models, bounds and figures of one process.

    Attributes:
        draining: What was accepted is finished, and nothing else taken.
    """

    options: ServeOptions
    metrics: Metrics = field(default_factory=Metrics)
    slots: dict[str, Slot] = field(default_factory=dict)
    draining: bool = False

    def __post_init__(self) -> None:
        self.bodies = BodyReader(self.options.max_body, self.options.timeout)
        self._reloading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def start(self) -> None:
        """Be ready for requests.

        Raises:
            ClsctlError: Not one model could be loaded.
        """

    @abstractmethod
    async def reload(self) -> None:
        """Take up the model directories that have changed; requests are answered meanwhile."""

    @abstractmethod
    async def stop(self) -> None:
        """Finish what was accepted, within the time-out of a request."""

    @abstractmethod
    def readiness(self) -> tuple[bool, dict[str, str]]:
        """Return whether models answer; and of each its state, or the code of what is wrong."""

    @abstractmethod
    def summary(self) -> str:
        """Say what answers, in a few words."""

    def request_reload(self) -> None:
        """Reload in the background."""
        self._spawn(self.reload())

    def deadline(self) -> float:
        """Return when a request that begins now must be answered, by `time.monotonic`."""
        return time.monotonic() + self.options.timeout

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
