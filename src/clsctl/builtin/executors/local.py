"""Prediction in this process, on all cores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from clsctl.plugin import Executor, PredictJob, hookimpl
from clsctl.plugin.registry import default_registry

if TYPE_CHECKING:
    from clsctl.result import Result


@hookimpl
def clsctl_executors() -> list[Executor]:
    return [Executor("local", "In this process, on all cores.", _run)]


def _run(job: PredictJob) -> Iterator[Result]:
    from clsctl.prediction.pipeline import classify, open_engine
    from clsctl.result import above

    backend = default_registry().get("backends", job.backend)
    engine = open_engine(job.model, job.device, backend, job.settings, job.temperature)
    results = classify(engine, job.inputs, job.batch_size, job.topk, job.live, job.exact)
    return (above(result, job.threshold) for result in results) if job.threshold else results
