"""A job on the cluster, from its inputs to results one by one or to a folder of files."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import clsctl
from clsctl.console.progress import count_bar
from clsctl.errors import Interrupted, UsageError
from clsctl.models.directory import weights_sha256
from clsctl.plugin import PredictJob
from clsctl.result import OutputNames, Result
from clsctl_ray.cluster import connected, placed
from clsctl_ray.crew import Crew
from clsctl_ray.folder import OutputFolder, open_folder
from clsctl_ray.shards import Shard, cut
from clsctl_ray.worker import Worker, pack


def run(job: PredictJob) -> Iterator[Result]:
    """Results one by one, in input order; see `clsctl.plugin.descriptors.Executor`."""
    names = OutputNames()
    for _, results in _answers(job, _shards(job), _classify):
        yield from (replace(result, _names=names) for result in results)


def run_to(job: PredictJob, folder: Path, writer: str, resume: bool) -> tuple[int, int]:
    """A folder of files; see `clsctl.plugin.descriptors.RunTo` and `clsctl_ray.folder`."""
    shards = _shards(job)
    with open_folder(folder, _facts(job, writer), resume) as output:
        try:
            _fill(output, job, shards)
        except KeyboardInterrupt:
            raise Interrupted(
                f"interrupted, {output.results} done",
                hint="the same command with --resume goes on",
            ) from None
        output.finish()
        return output.results, output.errors


def _fill(output: OutputFolder, job: PredictJob, shards: Iterable[Shard]) -> None:
    encode = functools.partial(_encode, writer=output.job["format"])
    with count_bar("predict") as progress:
        for shard, encoded in _answers(job, output.missing(shards), encode):
            output.add(shard, encoded)
            progress(output.results, None)


def _shards(job: PredictJob) -> Iterator[Shard]:
    if job.live:
        raise UsageError(
            "--watch works with --executor local, which answers at once",
            code="E_EXECUTOR_OPTION",
        )
    return cut(job.inputs, job.options.shard_size, job.settings)


def _classify(worker: Any, shard: Shard) -> Any:
    return worker.classify.remote(shard.sources)


def _encode(worker: Any, shard: Shard, writer: str) -> Any:
    return worker.encode.remote(shard.sources, writer)


def _answers(
    job: PredictJob, shards: Iterator[Shard], ask: Callable[[Any, Shard], Any]
) -> Iterator[tuple[Shard, Any]]:
    """Each shard with what `ask` gets from a worker for it; no cluster where there is no shard."""
    first = list(itertools.islice(shards, 1))
    if not first:
        return
    with connected(job.options.ray_address):
        yield from _crew(job, ask).answers(itertools.chain(first, shards))


def _crew(job: PredictJob, ask: Callable[[Any, Shard], Any]) -> Crew:
    import ray

    one, needs, room = placed(job)
    actor: Any = ray.remote(Worker).options(**needs)
    files = ray.put(pack(job.model))

    def hire() -> tuple[Any, Any]:
        worker = actor.remote()
        return worker, worker.load.remote(clsctl.__version__, one, files)

    return Crew(hire, ask, job.options.workers or room)


def _facts(job: PredictJob, writer: str) -> dict[str, Any]:
    """What decides which results there are, and in which files."""
    return {
        "model": job.model.name,
        "weights": weights_sha256(job.model),
        "device": job.device.kind,
        "backend": job.backend,
        "precision": job.settings.precision,
        "batch": job.batch_size,
        "draft": job.settings.draft,
        "max_pixels": job.settings.max_pixels,
        "topk": job.topk,
        "temperature": job.temperature,
        "threshold": job.threshold,
        "format": writer,
        "shard_size": job.options.shard_size,
        "versions": {name: metadata.version(name) for name in ("clsctl", "clsctl-ray", "ray")},
    }
