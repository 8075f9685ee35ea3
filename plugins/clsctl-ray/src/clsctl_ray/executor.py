"""Run a job on the cluster, into results one by one or into a folder of files."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from clsctl import __version__
from clsctl.console.progress import image_counter
from clsctl.errors import Interrupted
from clsctl.models.integrity import weights_sha256
from clsctl.plugin import PredictJob
from clsctl.result import OutputNames, Result
from clsctl_ray.cluster import connect, plan_workers
from clsctl_ray.folder import OutputFolder, open_folder
from clsctl_ray.pool import WorkerPool
from clsctl_ray.shards import Shard, split_inputs
from clsctl_ray.worker import Worker, pack_model


def run(job: PredictJob) -> Iterator[Result]:
    """Yield results one by one, in input order; see `clsctl.plugin.Executor`."""
    names = OutputNames()
    for _, results in _map_shards(job, _shards(job), _submit_classify):
        yield from (replace(result, _names=names) for result in results)


def run_to(job: PredictJob, folder: Path, writer: str, resume: bool) -> tuple[int, int]:
    """Fill a folder with files; see `clsctl.plugin.RunTo` and `clsctl_ray.folder`."""
    shards = _shards(job)
    with open_folder(folder, _facts(job, writer), resume) as output:
        try:
            _fill(output, job, shards)
        except KeyboardInterrupt:
            raise Interrupted(
                f"interrupted, {output.results} done",
                hint="the same command with --resume does the rest",
            ) from None
        output.finish()
        return output.results, output.errors


def _fill(output: OutputFolder, job: PredictJob, shards: Iterable[Shard]) -> None:
    submit = functools.partial(_submit_encode, writer=output.job["format"])
    with image_counter() as progress:
        for shard, encoded in _map_shards(job, output.missing(shards), submit):
            output.add(shard, encoded)
            progress(output.results, None)


def _shards(job: PredictJob) -> Iterator[Shard]:
    return split_inputs(job.inputs, job.options.shard_size, job.settings)


def _submit_classify(worker: Any, shard: Shard) -> Any:
    return worker.classify.remote(shard.sources)


def _submit_encode(worker: Any, shard: Shard, writer: str) -> Any:
    return worker.encode.remote(shard.sources, writer)


def _map_shards(
    job: PredictJob, shards: Iterator[Shard], submit: Callable[[Any, Shard], Any]
) -> Iterator[tuple[Shard, Any]]:
    """Yield each shard with its result; where there is no shard, no cluster is needed."""
    first = list(itertools.islice(shards, 1))
    if not first:
        return
    with connect(job.options.ray_address):
        yield from _open_pool(job, submit).map(itertools.chain(first, shards))


def _open_pool(job: PredictJob, submit: Callable[[Any, Shard], Any]) -> WorkerPool:
    import ray

    plan = plan_workers(job)
    actor: Any = ray.remote(Worker).options(**plan.needs)
    files = ray.put(pack_model(job.model))

    def start() -> tuple[Any, Any]:
        worker = actor.remote()
        return worker, worker.load.remote(__version__, plan.job, files)

    return WorkerPool(start, submit, job.options.workers or plan.room)


def _facts(job: PredictJob, writer: str) -> dict[str, Any]:
    """Return what decides which results there are, and in which files."""
    return {
        "model": job.model.name,
        "weights": weights_sha256(job.model),
        "device": job.placement.device.kind,
        "backend": job.backend,
        "precision": job.placement.precision,
        "batch": job.batch_size or "auto",
        "draft": job.settings.draft,
        "max_pixels": job.settings.max_pixels,
        "topk": job.topk,
        "temperature": job.temperature,
        "threshold": job.threshold,
        "format": writer,
        "shard_size": job.options.shard_size,
        "versions": {name: metadata.version(name) for name in ("clsctl", "clsctl-ray", "ray")},
    }
