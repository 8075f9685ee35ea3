"""`clsctl train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clsctl.builtin.commands._completion import complete_config_keys, complete_registered
from clsctl.builtin.commands._options import (
    ADVANCED,
    INPUT,
    MODEL,
    OUTPUT,
    SPEED,
    Layout,
    Model,
    dataset_option,
)
from clsctl.console.text import print_line
from clsctl.errors import UsageError
from clsctl.plugin import Command, hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clsctl.schema.layers import ConfigSource
    from clsctl.training.train import TrainResult


TRAINING, MACHINES = "Training", "Several processes and machines"
SEARCH = "Finding a model, with --time and without -m"
"""Headings of the help that this command alone has."""


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "train",
            "Train a model on a dataset.",
            train,
            examples=(
                "clsctl train -m PP-LCNet_x1_0 -d flowers -o run",
                "clsctl train -d flowers --time 10m -o run",
            ),
        )
    ]


def train(
    run_folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="With --resume: the run's folder.")
    ] = None,
    model: Model = None,
    dataset: Annotated[Path | None, dataset_option("The dataset: a folder or a table.")] = None,
    layout: Layout = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            rich_help_panel=OUTPUT,
            help="The run's folder; KEY.SUB=VALUE is taken as --set.",
            show_default="output",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=TRAINING,
            help="Epochs: passes over the training images.",
            show_default="20",
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            rich_help_panel=TRAINING,
            help="Fit the epochs into this time: 10m, 90s or 2h. Without -m: find the model.",
            show_default="no limit",
        ),
    ] = None,
    accuracy_first: Annotated[
        bool,
        typer.Option(
            "--accuracy-first",
            rich_help_panel=SEARCH,
            help="Take the best model, although a faster one is as good but for chance.",
        ),
    ] = False,
    latency: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            rich_help_panel=SEARCH,
            help="The most that one image may take on this machine, such as 5ms.",
            show_default="no limit",
        ),
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            rich_help_panel=SEARCH,
            help="The most that the weights may take, such as 20MB.",
            show_default="no limit",
        ),
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option(
            "-b",
            "--batch",
            metavar="N",
            rich_help_panel=TRAINING,
            help="Images in a batch; auto: what fits.",
            show_default="the recipe's",
        ),
    ] = None,
    image_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            rich_help_panel=TRAINING,
            help="The network's input in pixels: 96, or height x width, 96x320.",
            show_default="the model's own",
        ),
    ] = None,
    lr: Annotated[
        str | None,
        typer.Option(
            "--lr",
            metavar="RATE",
            rich_help_panel=TRAINING,
            help="Learning rate; auto: by a range test.",
            show_default="the recipe's, scaled",
        ),
    ] = None,
    pretrained: Annotated[
        bool | None,
        typer.Option(
            "--pretrained/--scratch",
            rich_help_panel=MODEL,
            help="Start from published weights, or from none.",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", rich_help_panel=MODEL, help="Start from this .pdparams file, or run."
        ),
    ] = None,
    freeze_until: Annotated[
        str | None,
        typer.Option(
            metavar="STAGE",
            rich_help_panel=TRAINING,
            help="Train from this stage on; `head` alone.",
        ),
    ] = None,
    save_every: Annotated[
        int | None,
        typer.Option(rich_help_panel=OUTPUT, help="Keep a checkpoint every so many epochs."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            rich_help_panel=SPEED,
            help="auto, cpu, gpu[:N,N...] or npu[:N,N...].",
            show_default="auto",
            autocompletion=complete_registered("devices", ("auto", "")),
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1,
            rich_help_panel=MACHINES,
            help="Processes that train together, on all machines.",
            show_default="one a device",
        ),
    ] = None,
    nnodes: Annotated[
        int, typer.Option(min=1, rich_help_panel=MACHINES, help="Number of machines.")
    ] = 1,
    node_rank: Annotated[
        int, typer.Option(min=0, rich_help_panel=MACHINES, help="Number of this machine, from 0.")
    ] = 0,
    master: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            rich_help_panel=MACHINES,
            help="Address of rank 0, on machine 0.",
            show_default=False,
        ),
    ] = "",
    max_restarts: Annotated[
        int, typer.Option(min=0, rich_help_panel=MACHINES, help="Restarts after a process died.")
    ] = 0,
    accelerate: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            rich_help_panel=SPEED,
            help="oneDNN on a processor: auto, on or off.",
            show_default="auto",
            autocompletion=lambda: ["auto", "on", "off"],
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(rich_help_panel=ADVANCED, help="Random seed.", show_default="0")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", rich_help_panel=OUTPUT, help="Resume the run in DIR, or in -o."),
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            rich_help_panel=INPUT,
            help="TOML or YAML; a PaddleX file as it is.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            rich_help_panel=ADVANCED,
            help="Any key of the configuration; repeatable.",
            autocompletion=complete_config_keys,
        ),
    ] = None,
    explain_config: Annotated[
        bool,
        typer.Option(
            "--explain-config",
            rich_help_panel=ADVANCED,
            help="Show every key and its origin, then stop.",
        ),
    ] = False,
) -> None:
    """Train a model and export the best epoch.

    Published weights are fine-tuned by default; --scratch trains as the family was published.
    With --time and without -m the best model for the dataset is found. Ctrl-C saves; --resume
    gives what an uninterrupted run would have given.
    """
    from clsctl.builtin.commands._model_search import find_model, read_limits
    from clsctl.builtin.commands._paddlex_modes import run_mode, split_overrides
    from clsctl.training.config.run_config import resolve_run
    from clsctl.training.config.sources import file_sources, load_paddlex, option_source
    from clsctl.training.distributed import environment
    from clsctl.training.time_limit import parse_minutes
    from clsctl.training.train import run_training

    if run_folder is not None and not resume:
        raise UsageError(
            f"'{run_folder}' needs --resume", code="E_USAGE", hint="datasets are given with -d"
        )
    with environment.noting_once():
        folder, overrides = split_overrides(output or ())
    texts = [*(set_ or ()), *overrides]
    theirs = {"Global.model": model, "Global.dataset_dir": dataset, "Global.output": folder}
    peer = dict(load_paddlex(config, texts))
    if run_mode(peer | {name: value for name, value in theirs.items() if value is not None}):
        return
    options = {
        "model": model,
        "data.path": dataset,
        "data.layout": layout,
        "output": run_folder or folder,
        "epochs": epochs,
        "time_limit": None if time is None else parse_minutes(time),
        "batch_size": batch,
        "data.image_size": None if image_size is None else _parse_size(image_size),
        "optimizer.learning_rate": lr,
        "pretrained": pretrained,
        "weights": weights,
        "freeze_until": freeze_until,
        "checkpoint.save_every": save_every,
        "device": device,
        "processes": processes,
        "accelerate": accelerate,
        "seed": seed,
    }
    with environment.noting_once():
        sources = [*file_sources(config, texts), option_source(texts), _source(options)]
    if explain_config:
        from clsctl.training.config.explain import print_config

        print_config(resolve_run(sources, resume))
        return
    if find_model(sources, resume, read_limits(latency, max_size, accuracy_first)):
        return
    from clsctl.training.distributed.launch import supervise
    from clsctl.training.distributed.nodes import Nodes

    if supervise(sources, resume, Nodes(nnodes, node_rank, master, max_restarts)):
        return
    environment.restart_with_variables()
    _print(run_training(sources, resume))


def _source(options: Mapping[str, Any]) -> ConfigSource:
    """Take the values of the options that were given."""
    from clsctl.schema.layers import ConfigSource

    given = {name: value for name, value in options.items() if value is not None}
    texts = {name: str(value) for name, value in given.items() if isinstance(value, Path)}
    return ConfigSource("option", given | texts)


def _parse_size(text: str) -> tuple[int, ...] | int:
    """Read `96`, or height and width as in `96x320`."""
    sides = [int(side) if side.isdecimal() else 0 for side in text.lower().split("x")]
    if len(sides) > 2 or not all(sides):
        raise UsageError(
            f"'{text}' is no size in pixels",
            code="E_USAGE",
            hint="write --image-size 96 for a square, or height x width, as in 96x320",
        )
    return sides[0] if len(sides) == 1 else tuple(sides)


def _print(result: TrainResult) -> None:
    from clsctl.training.distributed.ranks import current_rank

    if current_rank().number:  # Its launcher may have given it rank 0's terminal.
        return
    epoch = f"epoch {result.best_epoch}" if result.best_epoch else "before training"
    top5 = "" if result.top5 is None else f", top-5 {result.top5:.2%}"
    balanced = result.balanced_accuracy
    classes = "" if balanced is None else f", balanced accuracy {balanced:.2%}"
    print_line(f"best: {epoch}, top-1 {result.top1:.2%}{top5}{classes}")
    if result.model_dir is not None:
        print_line(f"model: {result.model_dir}")
        print_line(f"try it: clsctl predict IMAGE --model-dir {result.model_dir}")
