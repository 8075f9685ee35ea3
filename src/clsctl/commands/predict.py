"""`clsctl predict`."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from clsctl import hookimpl
from clsctl.commands._options import Backend, Batch, Device, Model, Offline
from clsctl.errors import DataError, Interrupted, NetworkError, SomeInputsFailed
from clsctl.notes import note
from clsctl.types import Command, RecordWriter

if TYPE_CHECKING:
    from clsctl.plugins import Registry
    from clsctl.results import Result


@hookimpl
def clsctl_commands() -> list[Command]:
    return [Command("predict", "Classify images: files, folders, globs, URLs, PDFs.", predict)]


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
    batch: Batch = 1,
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
            help="table, json, jsonl or csv.",
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
    executor: Annotated[str, typer.Option(help="Where the job runs.")] = "local",
    offline: Offline = None,
) -> None:
    """Classify images and print the best classes of each.

    A folder is searched recursively. An input that cannot be read becomes an error record in its
    own place; the others go on, and the exit status is 7.
    """
    from clsctl.calibration import read_calibration
    from clsctl.classifier import find_model
    from clsctl.config import load_settings
    from clsctl.outputs import open_output
    from clsctl.plugins import default_registry
    from clsctl.progress import transfer_bar
    from clsctl.results import above
    from clsctl.selection import select_backend, select_device
    from clsctl.types import Placement, PredictJob

    registry = default_registry()
    settings = load_settings(device=device, backend=backend, offline=offline)
    writer = registry.get("writers", format_ or _format_for(output, registry))
    place = registry.get("executors", executor)
    with transfer_bar("pulling the model") as progress:
        spec = find_model(model, model_dir, settings, progress)
    temperature, least = read_calibration(spec.directory) if calibrated else (1.0, 0.0)
    least = least if threshold is None else threshold
    where = select_device(settings.device, registry)
    placement = Placement(where, precision=settings.precision)
    engine = select_backend(settings.backend, spec, placement, registry)
    if writer.name == "table" or sys.stderr.isatty():
        print(f"{spec.name} on {where} with {engine.name}", file=sys.stderr)
    job = PredictJob(
        spec, inputs, where, engine.name, settings, batch, topk or spec.topk, temperature
    )
    with open_output(output) as stream:
        results = (above(result, least) for result in _shown(place.run(job), stream))
        done, failed = deliver(results, writer.open(stream), _savers(save_img, save_json))
    if failed:
        raise SomeInputsFailed(f"{failed} of {done} inputs failed")


def deliver(
    results: Iterable[Result], writer: RecordWriter, savers: Sequence[Callable[[Result], None]]
) -> tuple[int, int]:
    """Hand every result to the writer and the savers; returns how many there were and failed."""
    done = failed = 0
    try:
        for result in results:
            writer.write(result)
            for save in savers:
                save(result)
            done += 1
            failed += result.error is not None
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted, {done} done") from None
    finally:
        writer.close()
    return done, failed


def _savers(save_img: Path | None, save_json: Path | None) -> list[Callable[[Result], None]]:
    savers: list[Callable[[Result], None]] = []
    if save_img is not None:
        savers.append(functools.partial(_save_img, folder=save_img))
    if save_json is not None:
        savers.append(lambda result: result.save_to_json(save_json))
    return savers


def _save_img(result: Result, folder: Path) -> None:
    """The pixels are read again, which may fail where they came over the network."""
    if result.error is not None:
        return
    try:
        result.save_to_img(folder)
    except (DataError, NetworkError) as error:
        note(f"no image was saved of {error.message}")


def _format_for(output: Path | None, registry: Registry) -> str:
    """The writer that is called like the file's suffix."""
    suffix = output.suffix.lower().removeprefix(".") if output else ""
    return suffix if suffix in registry.items("writers") else "table"


def _shown(results: Iterator[Result], stream: TextIO) -> Iterator[Result]:
    """The same results, counted on standard error where they do not show on this terminal."""
    if stream.isatty() or not sys.stderr.isatty():
        yield from results
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.completed:.0f} images"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("predict", total=None)
        for result in results:
            progress.advance(task)
            yield result
