"""`clsctl predict`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from clsctl import hookimpl
from clsctl.errors import Interrupted, SomeInputsFailed, UsageError
from clsctl.types import Command, RecordWriter

if TYPE_CHECKING:
    from clsctl.results import Result

FORMATS_BY_SUFFIX = {".json": "json", ".jsonl": "jsonl", ".csv": "csv"}


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
    model: Annotated[
        str | None, typer.Option("-m", "--model", help="A model of the catalog.")
    ] = None,
    model_dir: Annotated[
        Path | None, typer.Option(help="A model directory of your own, instead of -m.")
    ] = None,
    topk: Annotated[
        int | None, typer.Option("-k", "--topk", min=1, help="Classes to show for each image.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, gpu[:N] or npu[:N].", show_default="auto")
    ] = None,
    backend: Annotated[
        str | None, typer.Option(help="auto, or a backend's name.", show_default="auto")
    ] = None,
    batch: Annotated[
        int, typer.Option("-b", "--batch", min=1, help="Images in one run of the network.")
    ] = 1,
    threshold: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Hide classes that score below this.")
    ] = 0.0,
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
    offline: Annotated[
        bool | None, typer.Option("--offline", help="Never open a socket.", show_default=False)
    ] = None,
) -> None:
    """Classify images and print the best classes of each.

    A folder is searched recursively. An input that cannot be read becomes an error record in its
    own place; the others go on, and the exit status is 7.
    """
    from clsctl.classifier import find_model
    from clsctl.config import load_settings
    from clsctl.plugins import default_registry
    from clsctl.results import above
    from clsctl.selection import select_backend, select_device
    from clsctl.types import PredictJob

    registry = default_registry()
    settings = load_settings(device=device, backend=backend, offline=offline)
    writer = registry.get("writers", format_ or _format_for(output))
    place = registry.get("executors", executor)
    spec = find_model(model, model_dir, settings)
    where = select_device(settings.device, registry)
    engine = select_backend(settings.backend, spec, where, registry)
    if writer.name == "table" or sys.stderr.isatty():
        print(f"{spec.name} on {where} with {engine.name}", file=sys.stderr)
    job = PredictJob(spec, inputs, where, engine.name, settings, batch, topk or spec.topk)
    with open_output(output) as stream:
        sinks = [writer.open(stream), *_savers(save_img, save_json)]
        results = _shown(place.run(job), stream)
        failures, total = deliver((above(r, threshold) for r in results), sinks)
    if failures:
        raise SomeInputsFailed(f"{failures} of {total} inputs failed")


class ImageSaver:
    """Saves each image with its best class drawn on it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, result: Result) -> None:
        if result.error is None:
            result.save_to_img(self._folder)

    def close(self) -> None:
        pass


class JsonSaver:
    """Saves each result, error records too, as a JSON file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, result: Result) -> None:
        result.save_to_json(self._folder)

    def close(self) -> None:
        pass


def deliver(results: Iterable[Result], sinks: Sequence[RecordWriter]) -> tuple[int, int]:
    """Hand every result to every sink; returns how many failed, of how many."""
    failures = total = 0
    try:
        for result in results:
            total += 1
            failures += result.error is not None
            for sink in sinks:
                sink.write(result)
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted after {total} results") from None
    finally:
        for sink in sinks:
            sink.close()
    return failures, total


@contextlib.contextmanager
def open_output(path: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that gets its name only when it is complete."""
    if path is None:
        yield sys.stdout
        return
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        part.replace(path)
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror or error}", code="E_OUTPUT"
        ) from None


def _savers(save_img: Path | None, save_json: Path | None) -> list[RecordWriter]:
    savers: list[RecordWriter] = []
    if save_img is not None:
        savers.append(ImageSaver(save_img))
    if save_json is not None:
        savers.append(JsonSaver(save_json))
    return savers


def _format_for(output: Path | None) -> str:
    return FORMATS_BY_SUFFIX.get(output.suffix.lower(), "table") if output else "table"


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
        TextColumn("{task.speed:.0f}/s", style="dim"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("predict", total=None)
        for result in results:
            progress.advance(task)
            yield result
