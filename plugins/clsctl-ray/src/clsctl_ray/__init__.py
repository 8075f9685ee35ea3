"""Predict and evaluate on a Ray cluster: the executor `ray`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clsctl.plugin import Executor, PredictJob, hookimpl

if TYPE_CHECKING:
    from clsctl.result import Result


@dataclass(frozen=True, slots=True)
class RayOptions:
    """What `--executor ray` adds to `clsctl predict` and `clsctl eval`."""

    ray_address: Annotated[
        str | None,
        typer.Option(
            metavar="auto|HOST:PORT",
            help="The Ray cluster to work on.",
            show_default="$RAY_ADDRESS, or one started here for this job",
        ),
    ] = None
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes that each hold the model.",
            show_default="one for each core or accelerator of the cluster",
        ),
    ] = None
    shard_size: Annotated[
        int,
        typer.Option(min=1, help="Inputs that a worker gets together, and rows of a file."),
    ] = 1000


@hookimpl
def clsctl_executors() -> list[Executor]:
    return [Executor("ray", "On the workers of a Ray cluster.", _run, _run_to, RayOptions)]


# What is heavy is imported when it is used, so that clsctl starts as fast as without the plugin.


def _run(job: PredictJob) -> Iterator[Result]:
    from clsctl_ray.executor import run

    return run(job)


def _run_to(job: PredictJob, folder: Path, writer: str, resume: bool) -> tuple[int, int]:
    from clsctl_ray.executor import run_to

    return run_to(job, folder, writer, resume)
