"""Prediction in this process, on all cores."""

from __future__ import annotations

from collections.abc import Iterator

from clsctl import hookimpl
from clsctl.plugins import default_registry
from clsctl.results import Result
from clsctl.types import Executor, PredictJob


@hookimpl
def clsctl_executors() -> list[Executor]:
    return [Executor("local", "In this process, on all cores.", _run)]


def _run(job: PredictJob) -> Iterator[Result]:
    from clsctl.pipeline import classify, open_engine

    backend = default_registry().get("backends", job.backend)
    engine = open_engine(job.model, job.device, backend, job.settings, job.temperature)
    return classify(engine, job.inputs, job.batch_size, job.topk)
