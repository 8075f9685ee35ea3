"""Classify a stream of inputs in batches, with every core busy and results in input order.

Each thread takes a batch of inputs and does everything for it: read, decode, preprocess, run, rank.
On a CPU that is one single-threaded run a core, which beats one run over all cores; only where
there are fewer batches than cores do they share them. At most a few batches are under way, so
memory stays flat however long the input is, and a writer that is slow slows down the reading.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from clsctl.errors import ModelError
from clsctl.images.preprocess import compile_transforms
from clsctl.images.read import InputImage, read_page, read_tensors
from clsctl.images.sources import Source, iter_sources
from clsctl.inference.batch_size import AutoBatch
from clsctl.plugin.descriptors import PredictJob
from clsctl.result import OutputNames, Result, are_probabilities, error_of, result_of, top_k
from clsctl.system.cpu import available_cores
from clsctl.system.iteration import batched
from clsctl.system.threads import ordered_flat_map
from clsctl.values import ModelSpec, Session

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Prepared = tuple[Source, InputImage, NDArray[np.float32] | None]
    Batch = tuple[int, Sequence[Source]]

OpenSession = Callable[[int, int], Session]
"""Opens a job's model for so many threads a run, and so many runs at the same time."""


def classify(job: PredictJob, open_session: OpenSession) -> Iterator[Result]:
    """Classify the inputs of a job, on all cores.

    Yields:
        One result for each image or page, in input order and with every class that the job's
        `topk` allows; an input that fails yields an error record in its own place.
    """
    cores = job.settings.threads or available_cores()
    auto = None if job.batch_size or job.live else AutoBatch(job.model, job.placement, job.backend)
    sizes = auto.sizes() if auto else itertools.repeat(job.batch_size or 1)
    batches = _batches(iter_sources(job.inputs), sizes)
    first = list(itertools.islice(batches, 1 if job.live else cores))
    if not first:
        return
    threads = cores if job.live else len(first)
    worker = _BatchWorker(job, auto)
    with ordered_flat_map(worker, itertools.chain(first, batches), threads) as results:
        worker.open(functools.partial(open_session, cores // threads, threads))
        yield from results


def _batches(sources: Iterator[Source], sizes: Iterator[int]) -> Iterator[Batch]:
    for size in sizes:
        if not (batch := list(itertools.islice(sources, size))):
            return
        yield size, batch


class _BatchWorker:
    """What each thread does with a batch of inputs."""

    def __init__(self, job: PredictJob, auto: AutoBatch | None) -> None:
        self._job, self._auto = job, auto
        self._session: Future[Session] = Future()
        self._preprocess = compile_transforms(job.model.transforms)
        self._names = OutputNames()

    def open(self, open_session: Callable[[], Session]) -> None:
        """Open the session in the caller's thread, while the first images are being decoded."""
        try:
            self._session.set_result(open_session())
        except BaseException as error:
            self._session.set_exception(error)
            raise

    def __call__(self, batch: Batch) -> Iterator[Result]:
        size, sources = batch
        # A PDF is one input and many pages: pages, not inputs, fill a batch.
        prepared = (
            (source, image, tensor)
            for source in sources
            for image, tensor in read_tensors(source, self._job.settings, self._preprocess)
        )
        for group in batched(prepared, size):
            yield from self._classify(group)

    def _classify(self, group: Sequence[Prepared]) -> list[Result]:
        tensors = [tensor for _, _, tensor in group if tensor is not None]
        scores = iter(self._scores(tensors) if tensors else ())
        return [
            error_of(image, self._names)
            if tensor is None
            else self._result(source, image, next(scores))
            for source, image, tensor in group
        ]

    def _scores(self, tensors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        return self._auto.run(self._run, tensors) if self._auto else self._run(tensors)

    def _run(self, tensors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        import numpy as np

        batch = np.stack(tensors) if len(tensors) > 1 else tensors[0][None]
        return run_batch(self._session.result(), batch, self._job.model)

    def _result(self, source: Source, image: InputImage, scores: NDArray[np.float32]) -> Result:
        load = functools.partial(read_page, source, image.page_index, self._job.settings)
        ids, best = top_k(scores, self._job.topk, self._job.exact)
        return result_of(image, ids, best, self._job.model.labels, load, self._names)


def run_batch(
    session: Session, batch: NDArray[np.float32], model: ModelSpec
) -> NDArray[np.float32]:
    """Run a batch [N, 3, H, W], and check that what comes out are probabilities [N, classes].

    Raises:
        ModelError: They are not, or the model fails on the batch (`E_MODEL_UNUSABLE`).
    """
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
