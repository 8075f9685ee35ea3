"""A plugin with an executor that has options, and that writes a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from clsctl.plugin import Executor, PredictJob, hookimpl
from clsctl.plugin.registry import default_registry
from clsctl.result import Result


@dataclass(frozen=True)
class FarOptions:
    far_workers: Annotated[int, typer.Option(min=1, help="How many.")] = 1
    far_host: Annotated[str | None, typer.Option(help="Where.")] = None


def run(job: PredictJob) -> Iterator[Result]:
    print(job.options)
    return default_registry().get("executors", "local").run(job)


def run_to(job: PredictJob, folder: Path, writer: str, resume: bool) -> tuple[int, int]:
    print(folder, writer, resume, job.options)
    return 5, 2


@hookimpl
def clsctl_executors() -> list[Executor]:
    return [Executor("far", "Far away.", run, run_to, FarOptions)]


def install(site: Path, name: str = "far", source: str = "") -> dict[str, str]:
    """Make this plugin, or one of another source, visible to processes with that environment."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[clsctl]\n{name} = {name}_plugin\n")
    if source:
        (site / f"{name}_plugin.py").write_text(source)
    return {"PYTHONPATH": f"{Path(__file__).parent}{os.pathsep}{site}"}
