"""Predict in this process, on all cores: `--executor local`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from clsctl.plugin import Executor, PredictJob, hookimpl

if TYPE_CHECKING:
    from clsctl.result import Result


@hookimpl
def clsctl_executors() -> list[Executor]:
    return [Executor("local", "In this process, on all cores.", _run, in_process=True)]


def _run(job: PredictJob) -> Iterator[Result]:
    from clsctl.prediction.job import run_job

    return run_job(job)
