"""Load a model, and turn uploads into results by the functions that `predict` uses.

This is the only module that touches clsctl's prediction; everything else sees uploads and results.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from clsctl.errors import ClsctlError, DataError, UsageError
from clsctl.images.formats import format_of
from clsctl.images.preprocess import Preprocessor, compile_transforms
from clsctl.images.read import InputImage, naming, read
from clsctl.images.sources import Source
from clsctl.inference.batch_size import AutoBatch
from clsctl.inference.devices import get_device
from clsctl.inference.timing import time_sessions
from clsctl.models.integrity import weights_sha256
from clsctl.models.locate import find_model
from clsctl.models.provenance import read_facts
from clsctl.networks.trained_weights import TrainedModel, find_here
from clsctl.paths import exists, is_file
from clsctl.plugin import PredictJob, Session
from clsctl.prediction.job import prepare_job, session_factory
from clsctl.prediction.pipeline import OpenSession, run_batch
from clsctl.result import OutputNames, Result, apply_threshold, error_of, result_of, top_k
from clsctl.settings import Settings, load_settings
from clsctl.system.cpu import available_cores
from clsctl.system.memory import reuse_memory
from clsctl_serve.options import ServeOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BATCH_RUNS = 3
"""How often each size of a batch is timed when a model is loaded for the first time here."""

WIDE_RUNS = 5
WIDE_SHARE = 0.8
"""A run on all cores that takes more of a single core's time is not worth the memory."""

DOCUMENTS = ("PDF", "TIFF")
PUBLIC = ("files",)
"""What of a clsctl.json is told to clients, beside where the weights came from."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An image as a client sent it.

    Attributes:
        name: What its result calls it.
        content: Encoded bytes; the same as base64, in a str; or why there is nothing.
    """

    name: str
    content: bytes | str | ClsctlError

    @property
    def may_have_pages(self) -> bool:
        """Whether it may give several results, and take as long."""
        if not isinstance(self.content, bytes | str):
            return False
        head = self.content[:64]
        start = _decode_base64(head) if isinstance(head, str) else head
        return isinstance(start, bytes) and format_of(start) in DOCUMENTS


@dataclass(frozen=True, slots=True, eq=False)
class ServedModel:
    """A model that is ready to run.

    Every core has a run of its own under way. Only an image that is alone is run by all of them.

    Attributes:
        name: What its route is called.
        version: SHA256 of its weights, which tells two versions of a model apart.
        job: How it runs: the model, the backend, device and precision, the classes to report.
        batch: Images that are run together at most.
        trained: Its training weights, where they are on this machine.
        session: Runs it, each time in the thread that asks.
        wide: Runs it on all cores; None where that is not faster.
    """

    name: str
    version: str
    job: PredictJob
    batch: int
    trained: TrainedModel | None
    session: Session
    preprocess: Preprocessor
    wide: Session | None = None

    @property
    def backend(self) -> str:
        """Name of the backend."""
        return self.job.backend

    @property
    def precision(self) -> str:
        """Of the arithmetic, such as `fp32`."""
        return self.job.placement.precision

    @property
    def topk(self) -> int:
        """Classes to report where a request does not say."""
        return self.job.topk

    def read(self, upload: Upload, keep_pixels: bool = False) -> Iterator[Prepared]:
        """Decode and preprocess an upload, page by page as the iterator advances."""
        for image in read(_source(upload), self.job.settings):
            yield self._prepare(image, keep_pixels)

    def run(
        self, batch: Sequence[Prepared], wanted: Sequence[Wanted], lone: bool = False
    ) -> list[Result]:
        """Classify what was read, in one run of the network.

        Args:
            wanted: What the result of each image holds.
            lone: Nothing else is under way.

        Raises:
            ModelError: The model fails on the batch, or what it gives are no probabilities.
        """
        tensors = [prepared.tensor for prepared in batch if prepared.tensor is not None]
        scores = iter(self.scores(tensors, lone) if tensors else ())
        return [
            error_of(prepared.image)
            if prepared.tensor is None
            else self._result(prepared.image, next(scores), want)
            for prepared, want in zip(batch, wanted, strict=True)
        ]

    def scores(
        self, tensors: Sequence[NDArray[np.float32]], lone: bool = False
    ) -> NDArray[np.float32]:
        """Compute probabilities [N, classes] of preprocessed images."""
        import numpy as np

        if len(tensors) > 1:
            return run_batch(self.session, np.stack(tensors), self.job.model)
        session = self.wide if lone and self.wide else self.session
        return run_batch(session, tensors[0][None], self.job.model)

    def _prepare(self, image: InputImage, keep_pixels: bool) -> Prepared:
        if image.pixels is None:
            return Prepared(image, None)
        bare = replace(image, pixels=None)
        try:
            with naming(image.input_path, image.page_index):
                tensor = self.preprocess(image.pixels)
        except ClsctlError as error:
            return Prepared(replace(bare, error=error), None)
        return Prepared(image if keep_pixels else bare, tensor)

    def _result(self, image: InputImage, scores: NDArray[np.float32], want: Wanted) -> Result:
        ids, best = top_k(scores, want.topk, want.exact)
        labels, load = self.job.model.labels, lambda: _pixels(image)
        result = result_of(image, ids, best, labels, load, OutputNames())
        least = 0.0 if want.exact else self.job.threshold
        return apply_threshold(result, least) if least else result


class Wanted(NamedTuple):
    """What a result holds: so many classes, with scores as they are (`exact`) or rounded."""

    topk: int
    exact: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """An image of an upload, and its tensor float32 [3, S, S] unless the image has an error."""

    image: InputImage
    tensor: NDArray[np.float32] | None


def find_models(options: ServeOptions, progress: Any = None) -> dict[str, Path | ClsctlError]:
    """Find the directory of each model by the name of its route, the default first.

    A model that is not here yet is downloaded. One that cannot be had is an error in its place.

    Args:
        progress: Receives how far a download has come.
    """
    settings = serve_settings(options)
    found: dict[str, Path | ClsctlError] = {}
    for name in options.models or (() if options.model_dirs else (None,)):
        try:
            spec = find_model(name, None, settings, progress)
        except ClsctlError as error:
            found[name or settings.model] = error
        else:
            path = spec.graph if name and is_file(name) else spec.directory
            if found.get(spec.name) != path:
                _claim(found, spec.name)
            found[spec.name] = path
    for text in options.model_dirs:
        name, path = _named_directory(text)
        try:
            spec = find_model(None, path, settings)
        except ClsctlError as error:
            found[name or path.name] = error
        else:
            _claim(found, name or spec.name)
            found[name or spec.name] = path
    return found


def load_served(name: str, path: Path, options: ServeOptions) -> ServedModel:
    """Load a model from its directory, run it once, and find out how to run it fast.

    Raises:
        ClsctlError: It cannot be loaded or run.
    """
    settings = serve_settings(options)
    spec = find_model(None, path, settings)
    job = prepare_job(spec, settings, topk=options.topk, calibrated=options.calibrated)
    reuse_memory()
    open_session, threads = session_factory(job), worker_threads(options)
    model = ServedModel(
        name=name,
        version=weights_sha256(spec),
        job=job,
        batch=options.batch or 1,
        trained=find_here(spec, settings),
        session=open_session(1, threads),
        preprocess=compile_transforms(spec.transforms),
    )
    tensor = model.preprocess(_sample_pixels())
    model.scores([tensor])
    batch = options.batch or AutoBatch(spec, job.placement, job.backend, runs=BATCH_RUNS).measure(
        model.scores, tensor
    )
    return replace(model, batch=batch, wide=_open_wide(model, open_session, threads, tensor[None]))


def _open_wide(
    model: ServedModel, open_session: OpenSession, threads: int, batch: NDArray[np.float32]
) -> Session | None:
    """Open the model for runs on all cores; None where they are not faster, or not equal."""
    import numpy as np

    if threads == 1 or get_device(model.job.placement.device).accelerator:
        return None
    wide = open_session(threads, 1)
    if not np.array_equal(wide.run(batch), model.session.run(batch)):
        return None
    sessions = {"wide": wide, "narrow": model.session}
    ms = time_sessions(sessions, batch, warm_up=1, rounds=WIDE_RUNS)
    return wide if median(ms["wide"]) < WIDE_SHARE * median(ms["narrow"]) else None


def describe(model: ServedModel) -> dict[str, Any]:
    """Say what a client may know of a model; no path of this machine is in it."""
    job, spec = model.job, model.job.model
    facts = read_facts(spec.directory)
    source = {
        key: value
        for key, value in facts.get("source", {}).items()
        if key != "url" or str(value).startswith(("https://", "http://"))
    }
    return {
        "name": model.name,
        "architecture": spec.name,
        "version": model.version,
        "device": str(job.placement.device),
        "backend": model.backend,
        "precision": model.precision,
        "batch": model.batch,
        "topk": model.topk,
        "temperature": job.temperature,
        "threshold": job.threshold,
        "preprocessing": list(spec.transforms),
        "provenance": {"source": source, **{key: facts[key] for key in PUBLIC if key in facts}},
        "labels": list(spec.labels),
        "explains": model.trained is not None,
    }


def serve_settings(options: ServeOptions) -> Settings:
    """Load clsctl's settings, with what the server's options say."""
    return load_settings(
        device=options.device,
        backend=options.backend,
        precision=options.precision,
        offline=options.offline,
        threads=options.threads or None,
    )


def worker_threads(options: ServeOptions) -> int:
    """Return how many threads classify in one process, each a batch of its own."""
    return options.threads or load_settings().threads or available_cores()


def _source(upload: Upload) -> Source:
    if isinstance(upload.content, str):
        return Source(upload.name, _decode_base64(upload.content))
    return Source(upload.name, upload.content)


def _decode_base64(text: str) -> bytes | ClsctlError:
    """Decode a text that may be broken into lines and may lack its padding."""
    import pybase64

    try:
        return pybase64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        pass
    joined = "".join(text.split())
    try:
        return pybase64.b64decode(joined + "=" * (-len(joined) % 4), validate=True)
    except (ValueError, binascii.Error):
        return DataError("the text of the image is not base64", code="E_BASE64")


def _pixels(image: InputImage) -> NDArray[np.uint8]:
    assert image.pixels is not None
    return image.pixels


def _sample_pixels() -> NDArray[np.uint8]:
    """Make pixels, enough for the crop of any model."""
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)


def _named_directory(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    return (name, Path(path)) if equals and not exists(text) else ("", Path(text))


def _claim(found: dict[str, Path | ClsctlError], name: str) -> None:
    """Refuse a second model of one name, and a name that cannot stand in a URL."""
    hint = "give it a name of its own, with --model-dir NAME=DIR"
    if name in found:
        raise UsageError(f"two models are called {name}", code="E_MODEL_NAME", hint=hint)
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        raise UsageError(f"'{name}' cannot stand in a URL", code="E_MODEL_NAME", hint=hint)
