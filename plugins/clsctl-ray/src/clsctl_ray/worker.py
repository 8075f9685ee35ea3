"""Run on a node of the cluster: an actor that holds one model and classifies shards."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clsctl import __version__
from clsctl.errors import DeviceError
from clsctl.images.sources import Source
from clsctl.paths import exists, is_file
from clsctl.plugin import ModelSpec, PredictJob
from clsctl.plugin.registry import default_registry
from clsctl.prediction.job import run_job, session_factory
from clsctl.result import Result
from clsctl.settings import folders
from clsctl.system.files import atomic_replace
from clsctl.system.locks import locked
from clsctl.system.memory import reuse_memory
from clsctl_ray.remote import fetch_remote, is_remote


@dataclass(frozen=True, slots=True)
class Encoded:
    """The file of a shard: its bytes, and how many results and errors they hold."""

    content: bytes
    results: int
    errors: int


class Worker:
    """A Ray actor; what can fail is in `load`, so that its error reaches the driver as it is."""

    def load(self, version: str, job: PredictJob, files: Mapping[str, bytes]) -> None:
        """Open the model.

        Args:
            version: The driver's version of clsctl.
            job: Without its inputs.
            files: The model directory; see `pack_model`.

        Raises:
            ClsctlError: The model cannot be run on this node, or its clsctl is another
                (`E_WORKER_VERSION`).
        """
        _set_up_process()
        if version != __version__:
            raise DeviceError(
                f"a node has clsctl {__version__}, and this machine has {version}",
                code="E_WORKER_VERSION",
                hint="install the same version of clsctl and its plugins on every node",
            )
        model = _unpack_model(job.model, files)
        backend = default_registry().get("backends", job.backend)
        backend.check()
        backend.prepare(model, job.placement)
        self._job = replace(job, model=model)
        self._open_session = session_factory(self._job)

    def classify(self, sources: Sequence[Source]) -> list[Result]:
        """Classify; results of remote sources come without the image, which would travel too."""
        return [
            replace(result, _load=None) if is_remote(result.input_path) else result
            for result in self._results(sources)
        ]

    def encode(self, sources: Sequence[Source], writer: str) -> Encoded:
        """Classify, and return the file that the writer of that name makes of the results."""
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
        inputs = fetch_remote(sources, self._job.settings)
        return run_job(replace(self._job, inputs=inputs), self._open_session)


def pack_model(model: ModelSpec) -> dict[str, bytes]:
    """Read the files of a model directory by name, to be sent to nodes that do not have it."""
    return {path.name: path.read_bytes() for path in model.directory.iterdir() if is_file(path)}


def _set_up_process() -> None:
    """Set up this process, which does nothing else, as the command line does its own."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    reuse_memory()


def _unpack_model(model: ModelSpec, files: Mapping[str, bytes]) -> ModelSpec:
    folder = unpack_files(files)
    params = folder / model.params.name if model.params else None
    return replace(model, directory=folder, graph=folder / model.graph.name, params=params)


def unpack_files(files: Mapping[str, bytes]) -> Path:
    """Return the folder in this node's cache with these files, written by the first to ask."""
    folder = folders().cache / "ray" / _digest(files)
    with locked(folders().cache, f"ray-{folder.name}"):
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            if not exists(folder / name):
                with atomic_replace(folder / name) as part:
                    part.write_bytes(content)
    return folder


def _digest(files: Mapping[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(hashlib.sha256(name.encode()).digest())
        whole.update(hashlib.sha256(files[name]).digest())
    return whole.hexdigest()
