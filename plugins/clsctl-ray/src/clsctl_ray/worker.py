"""What runs on the cluster: an actor that holds one model and the local pipeline around it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import clsctl
from clsctl.errors import DeviceError
from clsctl.images.sources import Source
from clsctl.plugin import ModelSpec, Placement, PredictJob
from clsctl.plugin.registry import default_registry
from clsctl.prediction.pipeline import classify, open_engine
from clsctl.result import Result, above
from clsctl.settings import folders
from clsctl.system.files import atomic_replace
from clsctl.system.locks import locked
from clsctl_ray.remote import fetched, is_remote


@dataclass(frozen=True, slots=True)
class Encoded:
    """The file of a shard: its bytes, and how many results and errors they hold."""

    content: bytes
    results: int
    errors: int


class Worker:
    """A Ray actor. What can fail is in `load`, for its error to reach the driver as it is."""

    def load(self, version: str, job: PredictJob, files: Mapping[str, bytes]) -> None:
        """Open the model.

        Args:
            version: The driver's version of clsctl.
            job: Without its inputs.
            files: The model directory; see `pack`.

        Raises:
            ClsctlError: The model cannot be run on this node, or its clsctl is another
                (`E_WORKER_VERSION`).
        """
        if version != clsctl.__version__:
            raise DeviceError(
                f"a node has clsctl {clsctl.__version__}, and this machine has {version}",
                code="E_WORKER_VERSION",
                hint="install the same version of clsctl and its plugins on every node",
            )
        model = _unpacked(job.model, files)
        backend = default_registry().get("backends", job.backend)
        backend.check()
        backend.prepare(model, Placement(job.device, precision=job.settings.precision))
        self._job = job
        self._engine = open_engine(model, job.device, backend, job.settings, job.temperature)

    def classify(self, sources: Sequence[Source]) -> list[Result]:
        """The results; those of remote sources without their image, which would go with them."""
        return [
            replace(result, _load=None) if is_remote(result.input_path) else result
            for result in self._results(sources)
        ]

    def encode(self, sources: Sequence[Source], writer: str) -> Encoded:
        """The results as the file that the writer of that name makes of them."""
        content = io.BytesIO()
        stream = io.TextIOWrapper(content, encoding="utf-8", newline="")
        rows = default_registry().get("writers", writer).open(stream)
        results = errors = 0
        for result in self._results(sources):
            rows.write(result)
            results += 1
            errors += result.error is not None
        rows.close()
        stream.flush()
        return Encoded(content.getvalue(), results, errors)

    def _results(self, sources: Sequence[Source]) -> Iterator[Result]:
        job = self._job
        inputs = fetched(sources, job.settings)
        results = classify(self._engine, inputs, job.batch_size, job.topk, exact=job.exact)
        return (above(result, job.threshold) for result in results)


def pack(model: ModelSpec) -> dict[str, bytes]:
    """The files of a model directory by name, to be sent to nodes that do not have it."""
    return {path.name: path.read_bytes() for path in model.directory.iterdir() if path.is_file()}


def _unpacked(model: ModelSpec, files: Mapping[str, bytes]) -> ModelSpec:
    """The same model in this node's cache, written by the first of its workers that comes."""
    folder = folders().cache / "ray" / _digest(files)
    with locked(folders().cache, f"ray-{folder.name}"):
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            if not (folder / name).exists():
                with atomic_replace(folder / name) as part:
                    part.write_bytes(content)
    params = folder / model.params.name if model.params else None
    return replace(model, directory=folder, graph=folder / model.graph.name, params=params)


def _digest(files: Mapping[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(hashlib.sha256(name.encode()).digest())
        whole.update(hashlib.sha256(files[name]).digest())
    return whole.hexdigest()
