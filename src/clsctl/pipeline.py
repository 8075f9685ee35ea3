"""Inputs -> batches -> backend -> results, in input order, with every core busy.

Each worker thread takes a batch of inputs and does everything for it: read, decode, preprocess,
run, rank. On a CPU that is one single-threaded run a core, which beats one run over all cores;
only where there are fewer batches than cores does one run use them all. At most a few batches are
under way, so memory stays flat however long the input is.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from clsctl.errors import ClsctlError, ModelError
from clsctl.inputs import Source, expand, read
from clsctl.preprocess import compile_transforms
from clsctl.results import OutputNames, Result, failed, succeeded, top_k
from clsctl.types import Backend, DeviceId, ModelSpec, Sample, Session

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.config import Settings

T = TypeVar("T")

BATCHES_AHEAD = 2


@dataclass(frozen=True, slots=True)
class Engine:
    """A model ready to run: `session(threads)` opens it, or returns the one opened before."""

    model: ModelSpec
    device: DeviceId
    session: Callable[[int], Session]
    settings: Settings


def open_engine(model: ModelSpec, device: DeviceId, backend: Backend, settings: Settings) -> Engine:
    """An engine whose sessions are opened on first use and kept."""
    session = functools.lru_cache(lambda threads: backend.open(model, device, threads))
    return Engine(model, device, session, settings)


def classify(
    engine: Engine, inputs: Iterable[object], batch_size: int = 1, topk: int = 5
) -> Iterator[Result]:
    """Classify a stream of inputs.

    Args:
        inputs: What `clsctl.inputs.expand` accepts.
        batch_size: Images in one run of the network.
        topk: Classes to report for each image.

    Yields:
        One result for each image or page, in input order; an input that fails yields an error
        record in its own place.
    """
    cores = engine.settings.threads or available_cores()
    batches = batched(expand(inputs), batch_size)
    first = list(itertools.islice(batches, cores))
    workers = cores if len(first) == cores else 1
    single = engine.device.kind == "cpu" and workers > 1
    work = _Worker(engine, engine.session(1 if single else cores), batch_size, topk)
    with ThreadPoolExecutor(workers, thread_name_prefix="clsctl") as pool:
        pending: deque[Future[list[Result]]] = deque()
        try:
            for batch in itertools.chain(first, batches):
                pending.append(pool.submit(work, batch))
                if len(pending) > workers * BATCHES_AHEAD:
                    yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class _Worker:
    """What a thread does with one batch of inputs."""

    def __init__(self, engine: Engine, session: Session, batch_size: int, topk: int) -> None:
        self.engine, self.session = engine, session
        self.batch_size, self.topk = batch_size, topk
        self.preprocess = compile_transforms(engine.model.transforms)
        self.names = OutputNames()

    def __call__(self, sources: Sequence[Source]) -> list[Result]:
        # A PDF is one input and many pages: pages, not inputs, fill a batch.
        pages = (
            (source, sample) for source in sources for sample in read(source, self.engine.settings)
        )
        return [
            result for group in batched(pages, self.batch_size) for result in self._classify(group)
        ]

    def _classify(self, group: Sequence[tuple[Source, Sample]]) -> list[Result]:
        prepared = [(source, *self._prepare(sample)) for source, sample in group]
        tensors = [tensor for _, _, tensor in prepared if tensor is not None]
        ranked = iter(self._rank(tensors)) if tensors else iter(())
        return [
            failed(sample) if tensor is None else self._result(source, sample, *next(ranked))
            for source, sample, tensor in prepared
        ]

    def _prepare(self, sample: Sample) -> tuple[Sample, NDArray[np.float32] | None]:
        if sample.pixels is None:
            return sample, None
        try:
            return sample, self.preprocess(sample.pixels)
        except ClsctlError as error:
            return Sample(sample.source, sample.page, error=error), None

    def _rank(
        self, tensors: Sequence[NDArray[np.float32]]
    ) -> Iterator[tuple[NDArray[np.int32], NDArray[np.float32]]]:
        import numpy as np

        scores = self.session.run(np.stack(tensors))
        labels = self.engine.model.labels
        if labels and scores.shape[1] > len(labels):
            raise ModelError(
                f"{self.engine.model.name} has {scores.shape[1]} outputs, but its inference.yml "
                f"names {len(labels)} classes",
                code="E_LABELS_MISMATCH",
                hint="correct PostProcess.Topk.label_list in inference.yml",
            )
        ids, best = top_k(scores, self.topk)
        return zip(ids, best, strict=True)

    def _result(
        self, source: Source, sample: Sample, ids: NDArray[np.int32], best: NDArray[np.float32]
    ) -> Result:
        load = source.loader(sample, self.engine.settings)
        return succeeded(sample, ids, best, self.engine.model.labels, load, self.names)


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items, the last one shorter."""
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch
