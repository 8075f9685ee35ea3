"""`clsctl predict`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from clsctl.builtin.commands._executors import chosen_options, with_executor_options
from clsctl.builtin.commands._options import Backend, Batch, Device, Model, Offline, Precision
from clsctl.console.messages import status
from clsctl.errors import SomeInputsFailed, UsageError
from clsctl.plugin import Command, hookimpl
from clsctl.plugin.registry import default_registry
from clsctl.prediction.output import deliver, format_for, open_target, savers, shown


@hookimpl
def clsctl_commands() -> list[Command]:
    run = with_executor_options(predict, default_registry())
    return [Command("predict", "Classify images: files, folders, globs, URLs, PDFs.", run)]


def predict(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Files, folders, globs, http(s) URLs, @list.txt, or - for standard input.",
        ),
    ],
    model: Model = None,
    model_dir: Annotated[
        Path | None, typer.Option(help="A model directory of your own, instead of -m.")
    ] = None,
    topk: Annotated[
        int | None, typer.Option("-k", "--topk", min=1, help="Classes to show for each image.")
    ] = None,
    device: Device = None,
    backend: Backend = None,
    precision: Precision = None,
    hpi: Annotated[
        bool, typer.Option("--hpi", help="The same as --precision auto.", show_default=False)
    ] = False,
    batch: Batch = 1,
    draft: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            min=0,
            help="Decode JPEGs faster, reduced to no less than this short side.",
            show_default="0: exactly",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Hide classes that score below this.",
            show_default="0, or the calibrated one",
        ),
    ] = None,
    calibrated: Annotated[
        bool,
        typer.Option(
            "--calibrated", help="Apply what `clsctl calibrate` stored.", show_default=False
        ),
    ] = False,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="table, json, jsonl, csv or parquet.",
            show_default="table, or by the suffix of -o",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to this file, not the terminal.")
    ] = None,
    save_img: Annotated[
        Path | None, typer.Option(help="Save each image with its label into this folder.")
    ] = None,
    save_json: Annotated[
        Path | None, typer.Option(help="Save each result as JSON into this folder.")
    ] = None,
    sort_into: Annotated[
        Path | None, typer.Option(help="Link each image into a folder for its class, in this one.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with what -o already holds, in place.", show_default=False
        ),
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Only every N-th input, from the I-th on."),
    ] = None,
    watching: Annotated[
        bool,
        typer.Option(
            "--watch", help="Then classify what arrives in the folders.", show_default=False
        ),
    ] = False,
    executor: Annotated[str, typer.Option(help="Where the job runs.")] = "local",
    offline: Offline = None,
    **executor_options: Any,
) -> None:
    """Classify images and print the best classes of each.

    A folder is searched recursively. An input that cannot be read becomes an error record in its
    own place; the others go on, and the exit status is 7.
    """
    from clsctl.console.progress import transfer_bar
    from clsctl.images.sources import expand
    from clsctl.inference.backend_choice import select
    from clsctl.inference.temperature import read_calibration
    from clsctl.models.locate import find_model
    from clsctl.plugin import Executor, PredictJob, Writer
    from clsctl.prediction.shard import select_shard
    from clsctl.prediction.watch import require_watchable, watch
    from clsctl.settings import load_settings

    registry = default_registry()
    precision = precision or ("auto" if hpi else None)
    settings = load_settings(
        device=device, backend=backend, precision=precision, draft=draft, offline=offline
    )
    place: Executor = registry.get("executors", executor)
    options = chosen_options(place, registry, executor_options)
    suffix = format_for(output, registry)
    folder = output if place.run_to and not suffix else None
    default = suffix or ("jsonl" if folder else "table")
    writer: Writer = registry.get("writers", format_ or default)
    if watching:
        require_watchable(inputs, batch, output, resume)
    each = savers(save_img, save_json, sort_into, resume)
    if folder and each:
        raise UsageError(
            f"--executor {executor} writes into {folder} itself, and saves nothing else",
            code="E_EXECUTOR_OPTION",
            hint=f"leave out --save-img, --save-json and --sort-into, or write {folder}.jsonl",
        )
    chosen: Iterable[object] = watch(inputs) if watching else inputs
    chosen = select_shard(expand(chosen), shard) if shard else chosen
    with transfer_bar("pulling the model") as progress:
        spec = find_model(model, model_dir, settings, progress)
    temperature, least = read_calibration(spec.directory) if calibrated else (1.0, 0.0)
    least = least if threshold is None else threshold
    single = len(inputs) == 1 and Path(inputs[0]).is_file()
    engine, placement = select(spec, settings, registry, single=single)
    settings = replace(settings, precision=placement.precision)
    if writer.name == "table" or sys.stderr.isatty():
        status(f"{spec.name} on {placement} with {engine.name}")
    job = PredictJob(
        spec,
        chosen,
        placement.device,
        engine.name,
        settings,
        batch,
        topk or spec.topk,
        temperature,
        least,
        live=watching,
        options=options,
    )
    if place.run_to and folder:
        done, failed = place.run_to(job, folder, writer.name, resume)
    else:
        with open_target(output, writer.name, resume) as (stream, held):
            job = replace(job, inputs=held.missing(expand(chosen))) if resume else job
            results = shown(held.new(place.run(job)), stream)
            count = deliver(results, held.open(writer, stream), each, endless=watching)
            done, failed = held.done + count.done, held.failed + count.failed
    if failed:
        raise SomeInputsFailed(f"{failed} of {done} inputs failed")
