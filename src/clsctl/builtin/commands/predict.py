"""`clsctl predict`."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clsctl.builtin.commands._completion import complete_registered
from clsctl.builtin.commands._executors import (
    WithExecutorOptions,
    executor_option,
    executor_options,
    implied_executor,
    refuse_local_options,
)
from clsctl.builtin.commands._options import (
    INPUT,
    OUTPUT,
    SPEED,
    AnyModel,
    Backend,
    Batch,
    Device,
    InputTimeout,
    ModelDir,
    NoPrivateHosts,
    Offline,
    Precision,
)
from clsctl.console.messages import status
from clsctl.console.text import count
from clsctl.errors import ClsctlError, SomeInputsFailed
from clsctl.paths import is_file
from clsctl.plugin import Command, hookimpl
from clsctl.plugin.registry import default_registry
from clsctl.prediction.output import Counts
from clsctl.prediction.writers import find_writer
from clsctl.settings import load_settings

if TYPE_CHECKING:
    from clsctl.plugin import PredictJob, Writer
    from clsctl.settings import Settings
    from clsctl.values import ModelSpec


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "predict",
            "Classify images: files, folders, globs, URLs, PDFs.",
            WithExecutorOptions(predict),
            examples=(
                "clsctl predict img.jpg -m PP-LCNet_x1_0",
                "clsctl predict photos/ -o results.jsonl --resume",
            ),
        )
    ]


def _format_option() -> Any:
    """Make the option `--format`, whose help names every writer."""
    return typer.Option(
        "--format",
        metavar="NAME",
        rich_help_panel=OUTPUT,
        help=f"{', '.join(default_registry().items('writers'))}.",
        show_default=f"{find_writer().name}, or by the suffix of -o",
        autocompletion=complete_registered("writers"),
    )


def predict(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Files, folders, globs, http(s) URLs, @list.txt, or - for standard input.",
        ),
    ],
    model: AnyModel = None,
    model_dir: ModelDir = None,
    topk: Annotated[
        int | None,
        typer.Option(
            "-k", "--topk", min=1, rich_help_panel=OUTPUT, help="Classes to show for each image."
        ),
    ] = None,
    device: Device = None,
    backend: Backend = None,
    precision: Precision = None,
    hpi: Annotated[
        bool,
        typer.Option(
            "--hpi", rich_help_panel=SPEED, help="The same as --precision auto.", show_default=False
        ),
    ] = False,
    batch: Batch = "auto",
    draft: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            rich_help_panel=SPEED,
            help="Decode JPEGs faster, reduced to no less than N pixels of short side.",
            show_default="0: exactly",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="SCORE",
            min=0.0,
            max=1.0,
            rich_help_panel=OUTPUT,
            help="Hide classes that score below this.",
            show_default="0, or the calibrated one",
        ),
    ] = None,
    calibrated: Annotated[
        bool,
        typer.Option(
            "--calibrated",
            rich_help_panel=OUTPUT,
            help="Apply what `clsctl calibrate` stored.",
            show_default=False,
        ),
    ] = False,
    format_: Annotated[str | None, _format_option()] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            rich_help_panel=OUTPUT,
            help="Write to this file, not the terminal.",
        ),
    ] = None,
    save_img: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            rich_help_panel=OUTPUT,
            help="Save each image with its label into this folder.",
        ),
    ] = None,
    save_json: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            rich_help_panel=OUTPUT,
            help="Save each result as JSON into this folder.",
        ),
    ] = None,
    sort_into: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            rich_help_panel=OUTPUT,
            help="Link each image into a folder for its class, in this one.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            rich_help_panel=OUTPUT,
            help="Keep what -o already holds, and add the rest.",
            show_default=False,
        ),
    ] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N", rich_help_panel=INPUT, help="Only every N-th input, from the I-th on."
        ),
    ] = None,
    watching: Annotated[
        bool,
        typer.Option(
            "--watch",
            rich_help_panel=INPUT,
            help="Then classify what arrives in the folders.",
            show_default=False,
        ),
    ] = False,
    executor: Annotated[str | None, executor_option("Where the job runs")] = None,
    input_timeout: InputTimeout = None,
    no_private_hosts: NoPrivateHosts = False,
    offline: Offline = None,
    **own_options: Any,
) -> None:
    """Classify images and print the best classes of each.

    A folder is searched recursively. An input that cannot be read becomes an error record in its
    own place; the others are classified all the same, and the exit status is 7.
    """
    from clsctl.console.progress import image_counter
    from clsctl.inference.batch_size import parse_batch
    from clsctl.prediction.batch import BatchPrediction
    from clsctl.prediction.executors import find_executor
    from clsctl.prediction.job import prepare_job

    executor = executor or implied_executor(own_options)
    options = executor_options(executor, own_options)
    settings = load_settings(
        device=device,
        backend=backend,
        precision=precision or ("auto" if hpi else None),
        draft=draft,
        offline=offline,
        input_timeout=input_timeout,
        private_hosts=False if no_private_hosts else None,
    )
    work = BatchPrediction(
        inputs,
        output,
        format_,
        parse_batch(batch),
        shard,
        watching,
        resume,
        save_img,
        save_json,
        sort_into,
        executor,
        options,
    )
    place = find_executor(executor)
    if place.prepare is not None:
        local: dict[str, object] = {"--model-dir": model_dir, "--device": device}
        local |= {"--backend": backend, "--precision": precision, "--hpi": hpi}
        local |= {"--draft": draft, "--calibrated": calibrated}
        refuse_local_options(place.name, local)
        job = _changed(place.prepare(options, model, settings), topk, threshold)
    else:
        spec = _pulled_model(model, model_dir, settings)
        single = len(inputs) == 1 and is_file(inputs[0])
        job = prepare_job(
            spec, settings, topk=topk, calibrated=calibrated, threshold=threshold, single=single
        )
    _begin(job, work.writer)
    begun = time.perf_counter()
    shown = output is not None or not sys.stdout.isatty()
    with image_counter(work.count_inputs, shown) as progress:
        counts = work.run(job, progress)
    _finish(counts, time.perf_counter() - begun, output)


def _begin(job: PredictJob, writer: Writer) -> None:
    """Say what was chosen, to whoever reads it."""
    from clsctl.system.memory import reuse_memory

    reuse_memory()
    if writer.for_terminals or sys.stderr.isatty():
        status(f"{job.model.name} on {job.placement} with {job.backend}")


def _finish(counts: Counts, seconds: float, output: Path | None) -> None:
    """Say what was written, and what failed."""
    if output is not None:
        _print_summary(counts, seconds, output)
    if counts.bugs:
        raise ClsctlError(
            f"{counts.bugs} of {counts.results} inputs met a bug in clsctl",
            hint="please report the message of each; its code is E_INTERNAL",
        )
    if counts.errors:
        raise SomeInputsFailed(f"{counts.errors} of {counts.results} inputs failed")


def _changed(job: PredictJob, topk: int | None, threshold: float | None) -> PredictJob:
    """Return the job with the options that were given."""
    threshold = job.threshold if threshold is None else threshold
    return replace(job, topk=topk or job.topk, threshold=threshold)


def _pulled_model(model: str | None, model_dir: Path | None, settings: Settings) -> ModelSpec:
    """Find the model, and show how far it is pulled."""
    from clsctl.console.progress import transfer_bar
    from clsctl.models.locate import find_model

    with transfer_bar("pulling the model") as progress:
        return find_model(model, model_dir, settings, progress)


def _print_summary(counts: Counts, seconds: float, output: Path) -> None:
    """Say how many results there are, how fast they came, and where they are."""
    done = counts.results - counts.resumed
    rate = f"{done / seconds:.3g} images/s" if done else "nothing was left to do"
    status(f"{count(counts.results, 'result')} in {output}: {done} in {seconds:.1f} s, {rate}")
