"""Predict in this process, on all cores: `--executor local`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from clsctl.plugin import Executor, PredictJob, hookimpl

if TYPE_CHECKING:
    from clsctl.result import Result


@hookimpl
def clsctl_executors() -> list[Executor]:
    summary = "In this process, on all cores."
    return [Executor("local", summary, _run, in_process=True, live=True)]


def _run(job: PredictJob) -> Iterator[Result]:
    from clsctl.prediction.job import run_job

    return run_job(job)
