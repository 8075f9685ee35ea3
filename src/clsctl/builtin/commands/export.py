"""`clsctl export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clsctl.builtin.commands._completion import complete_models, complete_registered
from clsctl.builtin.commands._options import (
    ADVANCED,
    MODEL,
    OUTPUT,
    Layout,
    RunWeights,
    dataset_option,
)
from clsctl.console.text import print_line
from clsctl.errors import UsageError
from clsctl.plugin import Command, hookimpl
from clsctl.plugin.registry import default_registry

if TYPE_CHECKING:
    from clsctl.exporting.export import Export
    from clsctl.networks.trained_weights import TrainedModel


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "export",
            "Turn training weights into a model to predict with.",
            export,
            examples=(
                "clsctl export -m run -o model --to onnx",
                "clsctl export -m PP-LCNet_x1_0 -o model --to openvino",
            ),
        )
    ]


def export(
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="DIR", rich_help_panel=OUTPUT, help="The folder to make."
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--model",
            metavar="MODEL",
            rich_help_panel=MODEL,
            help="A run folder, a .pdparams file, or a model, whose published weights are meant; "
            "with --weights, the model's name if no configuration lies beside them.",
            autocompletion=complete_models,
        ),
    ] = None,
    weights: RunWeights = None,
    to: Annotated[
        str,
        typer.Option(
            metavar="FORMAT",
            rich_help_panel=OUTPUT,
            help=_formats(),
            autocompletion=complete_registered("exporters"),
        ),
    ] = "paddle",
    check: Annotated[
        bool,
        typer.Option(
            "--check/--no-check",
            rich_help_panel=ADVANCED,
            help="Compare its scores with the network's.",
        ),
    ] = True,
    dataset: Annotated[
        Path | None, dataset_option("Check on this dataset's images, accuracy too.")
    ] = None,
    layout: Layout = None,
) -> None:
    """Write a model directory that clsctl and PaddleX load, class names and preprocessing inside.

    What gives other scores than the network is not written.
    """
    from clsctl.exporting.export import export as run

    if weights is None:
        found = _find(model)
        weights, model = found.weights, found.name
    _show(run(weights, output, model, to=to, check=check, dataset=dataset, layout=layout))


def _find(model: str | None) -> TrainedModel:
    """Find the training weights that a word stands for; pull them if needed."""
    from clsctl.networks.trained_weights import find
    from clsctl.settings import load_settings

    if model is None:
        raise UsageError(
            "cannot export: no model is given",
            code="E_MODEL_CHOICE",
            hint="give a run's folder, a .pdparams file or a model's name, as -m run",
        )
    return find(model, None, load_settings())


def _formats() -> str:
    """What `--to` takes: every exporter and the file that it writes."""
    exporters = default_registry().items("exporters").values()
    return ", ".join(f"{exporter.name} ({exporter.file})" for exporter in exporters) + "."


def _show(export: Export) -> None:
    print_line(f"{export.model}, {len(export.labels)} classes: {export.directory}")
    for name, parity in export.parity.items():
        images = f"{parity.real} real and {parity.synthetic} synthetic images"
        print_line(
            f"{name}: log-probabilities within {parity.difference:.2g} of the network's on "
            f"{images} (limit {parity.limit:g})"
        )
    if not export.parity:
        print_line("not checked")
    if export.top1 is not None:
        print_line(
            f"top-1 of the network {export.top1[0]:.4f}, of the exported model {export.top1[1]:.4f}"
        )
