"""`clsctl plan`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clsctl.builtin.commands._completion import complete_precisions
from clsctl.builtin.commands._options import (
    ADVANCED,
    INPUT,
    SPEED,
    AnyModel,
    Backend,
    Device,
    Format,
)
from clsctl.console.messages import note
from clsctl.plugin import Command, hookimpl
from clsctl.values import PRECISIONS

if TYPE_CHECKING:
    from clsctl.bench.capacity import Plan, Rate, Workload
    from clsctl.bench.records import Measurement
    from clsctl.settings import Settings
    from clsctl.values import ModelEntry


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "plan",
            "Estimate a large prediction job before it runs.",
            plan,
            examples=(
                "clsctl plan -m PP-LCNet_x1_0 -n 1_000_000",
                "clsctl plan -m ResNet50 -n 1_000_000_000 --workers 200",
            ),
        )
    ]


def plan(
    images: Annotated[
        int,
        typer.Option("-n", "--images", min=1, rich_help_panel=INPUT, help="Images to classify."),
    ],
    model: AnyModel = None,
    workers: Annotated[
        int, typer.Option(min=1, rich_help_panel=SPEED, help="Machines, each like this one.")
    ] = 1,
    image_kb: Annotated[
        float,
        typer.Option(
            metavar="KB",
            min=0.001,
            rich_help_panel=INPUT,
            help="Mean size of an image file, in kB.",
        ),
    ] = 100,
    bandwidth: Annotated[
        float,
        typer.Option(
            metavar="MBIT",
            min=0.001,
            rich_help_panel=SPEED,
            help="Of each worker's link, in Mbit/s.",
        ),
    ] = 1000,
    shard_size: Annotated[
        int, typer.Option(min=1, rich_help_panel=ADVANCED, help="Images in one shard.")
    ] = 10_000,
    store_requests: Annotated[
        float,
        typer.Option(
            metavar="N",
            min=0,
            rich_help_panel=SPEED,
            help="Requests/s that the object store can serve; 0: local disks.",
        ),
    ] = 5500,
    mtbf_hours: Annotated[
        float,
        typer.Option(
            metavar="HOURS",
            min=0.001,
            rich_help_panel=ADVANCED,
            help="Hours between failures of one worker, on average.",
        ),
    ] = 1000,
    cost_per_hour: Annotated[
        float | None,
        typer.Option(
            metavar="AMOUNT",
            min=0.0,
            rich_help_panel=ADVANCED,
            help="Of one worker, in any currency.",
        ),
    ] = None,
    device: Device = None,
    backend: Backend = None,
    precision: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            rich_help_panel=SPEED,
            help=f"{', '.join(PRECISIONS)}.",
            autocompletion=complete_precisions,
        ),
    ] = "fp32",
    format_: Format = "table",
) -> None:
    """Estimate time, machine hours, storage, traffic, failures and the bottleneck.

    The speed is what `clsctl bench` measured on this machine, else the published one; the report
    says which. Numbers may have underscores: -n 1_000_000_000.
    """
    from clsctl.bench.capacity import Workload, make_plan
    from clsctl.models.locate import default_name
    from clsctl.models.store import open_store
    from clsctl.settings import load_settings

    settings = load_settings(device=device)
    model = model or settings.model or default_name(open_store(settings))
    rate = _rate(model, settings, backend, precision)
    job = Workload(
        images,
        workers,
        image_kb,
        bandwidth,
        shard_size,
        store_requests,
        mtbf_hours,
        cost_per_hour,
    )
    estimate = make_plan(job, rate)
    if format_ == "json":
        _print_json(job, rate, estimate)
    else:
        _print(model, job, rate, estimate)


def _rate(model: str, settings: Settings, backend: str | None, precision: str) -> Rate:
    from clsctl.bench.capacity import find_rate
    from clsctl.inference.devices import resolve_device
    from clsctl.plugin.registry import default_registry

    where = resolve_device(settings.device, default_registry())
    wanted = None if backend == "auto" else backend
    rate = find_rate(model, *_figures(model), where, wanted, precision)
    if not rate.measured:
        note(f"these are published figures of another machine: `clsctl bench -m {model}` measures")
    return rate


def _figures(model: str) -> tuple[list[Measurement], ModelEntry | None]:
    """Find what was measured of a model, and what a catalog says of it."""
    from clsctl.bench.records import load_measurements
    from clsctl.models.catalog import load_catalog
    from clsctl.models.locate import resolve_model

    records = load_measurements()
    named = [record for record in records if record.model == model]
    if named:
        return named, load_catalog().get(model)
    found = resolve_model(model)
    if found.name is None:
        path = str((found.exported or found.weights or Path(model)).absolute())
        return [record for record in records if record.model_dir == path], None
    return [r for r in records if r.model == found.name], load_catalog().get(found.name)


# ---- print -------------------------------------------------------------------------------------


def _print_json(job: Workload, rate: Rate, estimate: Plan) -> None:
    from dataclasses import asdict

    from clsctl.console.text import print_json

    print_json({"job": asdict(job), "rate": asdict(rate), "plan": asdict(estimate)})


def _print(model: str, job: Workload, rate: Rate, estimate: Plan) -> None:
    from clsctl.console.tables import new_grid, open_console
    from clsctl.console.text import count

    console = open_console()
    console.print(f"{job.images:,} images with {model} on {count(job.workers, 'worker')}")
    console.line()
    facts = new_grid()
    facts.add_column(style="dim", no_wrap=True)
    for label, value in _facts(job, rate, estimate):
        facts.add_row(label, value)
    console.print(facts)
    console.line()
    console.print("Utilisation, the bottleneck first", style="bold")
    loads = new_grid()
    for load in estimate.loads:
        loads.add_row(load.name, f"{load.share:6.1%}", load.remedy)
    console.print(loads)


def _facts(job: Workload, rate: Rate, estimate: Plan) -> Iterable[tuple[str, str]]:
    speed = rate.images_per_second
    yield "Speed", f"{speed:,.0f} images/s a worker, {rate.source}"
    yield "Time", _duration(estimate.hours)
    if estimate.useful_workers < job.workers:
        yield "Workers", f"{job.workers:,}, though {estimate.useful_workers:,} would be as fast"
    yield "Worker hours", f"{estimate.worker_hours:,.0f}"
    if estimate.cost is not None:
        yield "Cost", f"{estimate.cost:,.0f} for the workers; traffic and storage not counted"
    yield "Input", f"{_bytes(estimate.input_bytes)} read, at {_bytes(estimate.traffic)}/s in all"
    yield "Output", f"{_bytes(estimate.output_bytes)} of JSON lines"
    shard = _duration(estimate.shard_seconds / 3600)
    yield "Shards", f"{estimate.shards:,} of {job.shard_size:,} images, {shard} each"
    yield "Manifest", _bytes(estimate.manifest_bytes)
    repeated = f"{estimate.repeated_images:,.0f} images classified twice"
    yield "Failures", f"{estimate.failures:,.1f} workers expected to fail, {repeated}"
    if rate.memory_mb is not None:
        yield "Memory", f"{rate.memory_mb:,.0f} MiB a worker"


def _duration(hours: float) -> str:
    """In the unit that leaves a readable number."""
    for unit, length in (("days", 24.0), ("hours", 1.0), ("minutes", 1 / 60)):
        if hours >= 2 * length:
            return f"{hours / length:,.1f} {unit}"
    return f"{hours * 3600:,.1f} seconds"


def _bytes(count: float) -> str:
    for unit, size in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 1e3:,.1f} kB"
