"""Inputs -> batches -> backend -> results, in input order, with every core busy.

Each thread takes a batch of inputs and does everything for it: read, decode, preprocess, run, rank.
On a CPU that is one single-threaded run a core, which beats one run over all cores; only where
there are fewer batches than cores do they share them. At most a few batches are under way, so
memory stays flat however long the input is, and a writer that is slow slows down the reading.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from clsctl.errors import ClsctlError, ModelError
from clsctl.images.preprocess import compile_transforms
from clsctl.images.sources import InputImage, Source, expand, read
from clsctl.plugin.descriptors import Backend
from clsctl.result import OutputNames, Result, are_probabilities, failed, succeeded, top_k
from clsctl.system.cpu import available_cores
from clsctl.system.memory import reuse_memory
from clsctl.system.threads import ordered_map
from clsctl.values import DeviceId, ModelSpec, Placement, Session

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.settings import Settings

    Prepared = tuple[Source, InputImage, NDArray[np.float32] | None]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Engine:
    """A model to run: `session(threads, streams)` opens it, or returns what it opened before."""

    model: ModelSpec
    device: DeviceId
    session: Callable[[int, int], Session]
    settings: Settings


def open_engine(
    model: ModelSpec,
    device: DeviceId,
    backend: Backend,
    settings: Settings,
    temperature: float = 1.0,
) -> Engine:
    """An engine whose sessions are opened on first use and kept.

    Args:
        temperature: What the logits are divided by; see `clsctl.evaluation.calibration`.
    """

    @functools.cache
    def session(threads: int, streams: int) -> Session:
        placement = Placement(device, threads, streams, settings.precision)
        opened = backend.open(model, placement)
        if temperature == 1:
            return opened
        from clsctl.inference.temperature import CalibratedSession

        return CalibratedSession(opened, temperature)

    return Engine(model, device, session, settings)


def classify(
    engine: Engine,
    inputs: Iterable[object],
    batch_size: int = 1,
    topk: int = 5,
    live: bool = False,
    exact: bool = False,
) -> Iterator[Result]:
    """Classify a stream of inputs.

    Args:
        inputs: What `clsctl.images.sources.expand` accepts.
        batch_size: Images in one run of the network.
        topk: Classes to report for each image.
        live: The inputs arrive over time, so that none may wait for those after it.
        exact: Scores are not rounded.

    Yields:
        One result for each image or page, in input order; an input that fails yields an error
        record in its own place.
    """
    cores = engine.settings.threads or available_cores()
    batches = batched(expand(inputs), batch_size)
    first = list(itertools.islice(batches, 1 if live else cores))
    if not first:
        return
    reuse_memory()
    threads = cores if live else len(first)
    work = _Worker(engine, batch_size, topk, exact)
    with ordered_map(work, itertools.chain(first, batches), threads) as results:
        work.open_session(cores // threads, threads)
        yield from itertools.chain.from_iterable(results)


class _Worker:
    """What a thread does with one batch of inputs."""

    def __init__(self, engine: Engine, batch_size: int, topk: int, exact: bool) -> None:
        self.engine, self.batch_size, self.topk, self.exact = engine, batch_size, topk, exact
        self.session: Future[Session] = Future()
        self.preprocess = compile_transforms(engine.model.transforms)
        self.names = OutputNames()

    def open_session(self, threads: int, streams: int) -> None:
        """Open it in the caller's thread, while the first images are being decoded."""
        try:
            self.session.set_result(self.engine.session(threads, streams))
        except BaseException as error:
            self.session.set_exception(error)
            raise

    def __call__(self, sources: Sequence[Source]) -> list[Result]:
        # A PDF is one input and many pages: pages, not inputs, fill a batch.
        prepared = (
            self._prepare(source, sample)
            for source in sources
            for sample in read(source, self.engine.settings)
        )
        groups = batched(prepared, self.batch_size)
        return [result for group in groups for result in self._classify(group)]

    def _prepare(self, source: Source, sample: InputImage) -> Prepared:
        """The pixels are not kept: a batch of large photos would fill the memory."""
        if sample.pixels is None:
            return source, sample, None
        try:
            return source, InputImage(sample.source, sample.page), self.preprocess(sample.pixels)
        except ClsctlError as error:
            return source, InputImage(sample.source, sample.page, error=error), None

    def _classify(self, group: Sequence[Prepared]) -> list[Result]:
        tensors = [tensor for _, _, tensor in group if tensor is not None]
        scores = iter(self._scores(tensors) if tensors else ())
        return [
            failed(sample) if tensor is None else self._result(source, sample, next(scores))
            for source, sample, tensor in group
        ]

    def _scores(self, tensors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        import numpy as np

        batch = np.stack(tensors) if len(tensors) > 1 else tensors[0][None]
        return _run(self.session.result(), batch, self.engine.model)

    def _result(self, source: Source, sample: InputImage, scores: NDArray[np.float32]) -> Result:
        load = source.loader(sample, self.engine.settings)
        ids, best = top_k(scores, self.topk, self.exact)
        return succeeded(sample, ids, best, self.engine.model.labels, load, self.names)


def _run(session: Session, batch: NDArray[np.float32], model: ModelSpec) -> NDArray[np.float32]:
    try:
        scores = session.run(batch)
    except Exception as error:  # noqa: BLE001 - every library has exceptions of its own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise _unusable(model, f"it fails on a batch of shape {batch.shape}: {reason}") from None
    if scores.ndim != 2 or len(scores) != len(batch):
        raise _unusable(model, f"an output of shape {scores.shape} is no classifier's")
    if math.isnan(scores.min()):
        raise _unusable(model, "its scores are not numbers")
    if not are_probabilities(scores):
        reason = f"its outputs, from {scores.min():.3g} to {scores.max():.3g}, are no probabilities"
        raise _unusable(model, reason, "export it with a softmax as its last layer")
    if model.labels and scores.shape[1] > len(model.labels):
        reason = f"it has {scores.shape[1]} outputs and names for {len(model.labels)} classes"
        raise _unusable(model, reason, "correct PostProcess.Topk.label_list in inference.yml")
    return scores


def _unusable(model: ModelSpec, reason: str, hint: str = "") -> ModelError:
    message = f"the model {model.name} in '{model.directory}' cannot be used: {reason}"
    return ModelError(message, code="E_MODEL_UNUSABLE", hint=hint)


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items, the last one shorter."""
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch
