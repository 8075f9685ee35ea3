"""Find how many images a run of the network takes best: measured while it works, and kept.

Larger batches are faster by a few percent to a third, which depends on the network, the backend and
the processor. Nothing is run to find that out: a job that is long enough takes its batches in
sizes of 1 to 16 in turn until each was timed, and from then on the smallest that is nearly the
fastest. The next job starts with that one.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from clsctl.console.messages import note
from clsctl.errors import ClsctlError, ModelError, UsageError
from clsctl.inference.timings_cache import (
    list_timings,
    machine_facts,
    read_timings,
    timings_path,
    write_timings,
)
from clsctl.plugin.registry import default_registry
from clsctl.schema.constraints import PositiveFloat
from clsctl.values import ModelSpec, Placement

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Tensor = NDArray[np.float32]
    RunTensors = Callable[[Sequence[Tensor]], Tensor]

FOLDER = "batches"
SIZES = (1, 2, 4, 8, 16)
MAX_BATCH = 65_536
MAX_BYTES = 16 << 20
"""Of a batch's input; what the network's layers hold at the same time grows with it."""

FEW = 16
"""Images that are classified one by one before anything is looked up or timed."""

RUNS = 7
"""How often each size is timed; the median counts."""

RUN_MS = 0.3
"""Milliseconds that a run costs beside the network: threads that hand over images and results."""

MARGIN = 1.03
"""A larger batch that is faster by less is not worth its memory."""

TOLERANCE = {"fp32": 1e-5}
LOW_TOLERANCE = 1e-2
"""How far a score may move with who else is in the batch: rounding, in the precision it runs in."""


@dataclass(frozen=True, slots=True)
class BatchTimings:
    """How long a model takes in batches of several sizes, on this machine.

    Attributes:
        machine: The processor and the versions of the libraries that were measured.
        ms: Milliseconds for an image, by the size of the batch.
    """

    model: str
    device: str
    precision: str
    backend: str
    machine: Mapping[str, str]
    ms: Mapping[str, PositiveFloat]

    @property
    def batch(self) -> int:
        """The size to use."""
        return smallest_fast({int(size): ms for size, ms in self.ms.items()})

    def __str__(self) -> str:
        figures = ", ".join(f"{size}: {ms:.2f} ms" for size, ms in self.ms.items())
        return f"{self.backend}, {self.precision}, batch {figures} an image; taking {self.batch}"


def parse_batch(text: str) -> int | None:
    """Read `--batch`: a number, or None for `auto`.

    Raises:
        UsageError: It is neither (`E_VALUE`).
    """
    if text == "auto":
        return None
    if not text.isdecimal() or len(text) > 9 or not 0 < int(text) <= MAX_BATCH:
        raise UsageError(
            f"--batch must be auto or a whole number from 1 to {MAX_BATCH}, not '{text}'",
            code="E_VALUE",
        )
    return int(text)


def smallest_fast(ms: Mapping[int, float]) -> int:
    """Return the smallest size that is nearly as fast as the fastest.

    Args:
        ms: Milliseconds of the network for an image, by size; each run costs RUN_MS more.
    """
    whole = {size: value + RUN_MS / size for size, value in ms.items()}
    limit = MARGIN * min(whole.values())
    return min(size for size, value in whole.items() if value <= limit)


def list_batches() -> list[BatchTimings]:
    """Return everything that is kept, by model."""
    return list_timings(BatchTimings, FOLDER)


class AutoBatch:
    """Chooses the size of each batch of a job, and times them where that was not done before.

    Threads may share it.

    Args:
        spec: The model.
        placement: Device and precision it runs in.
        backend: Name of what runs it.
        runs: How often each size is timed.
    """

    def __init__(
        self, spec: ModelSpec, placement: Placement, backend: str, runs: int = RUNS
    ) -> None:
        self._spec, self._placement, self._backend = spec, placement, backend
        self._runs = runs
        self._tolerance = TOLERANCE.get(placement.precision, LOW_TOLERANCE)
        self._lock = threading.Lock()
        self._ms: dict[int, list[float]] = {}
        self._trusted = {1}
        self._largest = SIZES[-1]
        self._timing, self._chosen = False, 0

    def measure(self, run: RunTensors, tensor: Tensor) -> int:
        """Choose the size now, where that was not done before, on copies of one tensor."""
        for size in self._trials():
            self.run(run, [tensor] * size)
        return self._chosen

    def sizes(self) -> Iterator[int]:
        """Yield the size of each batch, without end."""
        yield from itertools.repeat(1, FEW)
        yield from self._trials()
        yield from itertools.repeat(self._chosen)

    def run(self, run: RunTensors, tensors: Sequence[Tensor]) -> Tensor:
        """Score tensors [3, H, W] with `run`, which takes one or several of them.

        A model that fails on several images together, or whose scores of an image depend on the
        others, runs them one by one, from then on too.

        Raises:
            ModelError: It fails on a single image.
        """
        import numpy as np

        size = len(tensors)
        self._largest = max(1, MAX_BYTES // tensors[0].nbytes)
        if size not in self._trusted and self._chosen != 1:
            scores = self._run_checked(run, tensors)
            if scores is not None:
                return scores
            self._settle({1})
        if size > 1 and self._chosen == 1:
            return np.concatenate([run([tensor]) for tensor in tensors])
        begun = time.perf_counter()
        scores = run(tensors)
        if self._timing and not self._chosen:
            self._note_time(size, 1000 * (time.perf_counter() - begun) / size)
        return scores

    def _trials(self) -> Iterator[int]:
        """Yield the sizes in turn until one is chosen, which may have been done before."""
        self._recall()
        self._timing = True
        while not self._chosen:
            for size in SIZES:
                if size <= self._largest and not self._chosen:
                    yield size

    def _candidates(self) -> list[int]:
        return [size for size in SIZES if size <= self._largest]

    def _run_checked(self, run: RunTensors, tensors: Sequence[Tensor]) -> Tensor | None:
        """Scores of the first batch of a size; None where its images cannot share a run."""
        import numpy as np

        try:
            scores = run(tensors)
            alone = run(tensors[-1:])
        except ModelError:
            return None
        if np.abs(scores[-1:] - alone).max() > self._tolerance:
            return None
        self._trusted.add(len(tensors))
        return scores

    def _note_time(self, size: int, ms: float) -> None:
        with self._lock:
            self._ms.setdefault(size, []).append(ms)
            sizes = self._candidates()
            done = all(len(self._ms.get(one, ())) >= self._runs for one in sizes)
        if done:
            self._settle(sizes)

    def _settle(self, sizes: Iterable[int]) -> None:
        """Take the best of these sizes, and keep the figures for the next job."""
        with self._lock:
            if self._chosen:
                return
            ms = {size: median(self._ms[size]) for size in sizes if size in self._ms}
            self._chosen = smallest_fast(ms) if ms else 1
        if ms:
            self._keep(ms)

    def _recall(self) -> None:
        """Take what was measured before."""
        with suppress(ModelError):
            kept = read_timings(BatchTimings, self._path())
            if kept is not None and kept.machine == machine_facts(default_registry()):
                self._trusted.update(SIZES)
                self._chosen = kept.batch

    def _keep(self, ms: Mapping[int, float]) -> None:
        timings = BatchTimings(
            self._spec.name,
            str(self._placement.device),
            self._placement.precision,
            self._backend,
            machine_facts(default_registry()),
            {str(size): value for size, value in ms.items()},
        )
        try:
            write_timings(timings, self._path())
        except (ClsctlError, OSError) as error:
            note(f"the batch size is measured again next time: {error}")

    def _path(self) -> Path:
        return timings_path(FOLDER, self._spec, self._placement, self._backend)
