"""`clsctl quantize`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clsctl.builtin.commands._options import (
    ADVANCED,
    INPUT,
    OUTPUT,
    AnyModel,
    Dataset,
    Layout,
    ModelDir,
)
from clsctl.console.text import print_line
from clsctl.plugin import Command, hookimpl

if TYPE_CHECKING:
    from rich.table import Table

    from clsctl.quantization.judge import Share
    from clsctl.quantization.quantize import Quantized


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "quantize",
            "Make a model faster with 8-bit integers.",
            quantize,
            examples=(
                "clsctl quantize -m PP-LCNet_x1_0 -d flowers",
                "clsctl quantize -m model -d flowers -o small",
            ),
        )
    ]


def quantize(
    dataset: Dataset,
    model: AnyModel = None,
    model_dir: ModelDir = None,
    layout: Layout = None,
    images: Annotated[
        int, typer.Option(min=1, rich_help_panel=INPUT, help="Images to calibrate with.")
    ] = 300,
    max_drop: Annotated[
        float,
        typer.Option(
            metavar="POINTS",
            min=0.0,
            rich_help_panel=ADVANCED,
            help="Points of top-1 accuracy that may be lost.",
        ),
    ] = 1.0,
    min_agreement: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            min=0.0,
            max=1.0,
            rich_help_panel=ADVANCED,
            help="Share of images that must keep their class.",
        ),
    ] = 0.97,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            rich_help_panel=OUTPUT,
            help="Write a model directory, too.",
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(min=0, rich_help_panel=ADVANCED, help="Random seed of the choice of images."),
    ] = 0,
) -> None:
    """Quantise a model to int8, judged on images that it was not calibrated with.

    Train images calibrate, val images judge. Below the limits nothing is kept.
    """
    from clsctl.console.progress import count_bar
    from clsctl.quantization.quantize import quantize as run

    with count_bar("quantising") as progress:
        result = run(
            dataset,
            model,
            model_dir,
            layout=layout,
            images=images,
            max_drop=max_drop,
            min_agreement=min_agreement,
            output=output,
            seed=seed,
            progress=progress,
        )
    _show(result)
    if output:
        print_line(f"Written to {output}; `clsctl predict --model-dir {output}` runs it.")


def _show(result: Quantized) -> None:
    from clsctl.console.tables import open_console

    console = open_console()
    console.print(f"{result.model} in 8-bit integers", style="bold")
    console.print(
        f"calibrated with {result.calibrated:,} images of {result.dataset.name}, "
        f"judged on {result.judged:,} others",
        style="dim",
    )
    console.line()
    console.print(_table(result))
    console.line()
    console.print(f"agreement  {_in_words(result.agreement)}")
    slower = [name for name, (fp32, int8) in result.milliseconds.items() if int8 >= fp32]
    if slower:
        console.print(f"int8 is no faster than fp32 with {' and '.join(slower)} on this machine.")
    console.print("`clsctl predict --precision int8` takes it.")


def _table(result: Quantized) -> Table:
    from clsctl.console.tables import new_table

    table = new_table()
    for header in ("", "Top-1", "95 %", "MiB", *(f"ms {name}" for name in result.milliseconds)):
        table.add_column(header, justify="right" if header else "left", no_wrap=True)
    for place, precision in enumerate(("fp32", "int8")):
        times = (f"{pair[place]:.2f}" for pair in result.milliseconds.values())
        size = f"{result.sizes[place] / 2**20:.1f}"
        table.add_row(precision, *_top1(result, place), size, *times)
    return table


def _top1(result: Quantized, place: int) -> tuple[str, str]:
    if result.top1 is None:
        return "-", "-"
    value, (low, high) = result.top1[place]
    return f"{value:.4f}", f"{low:.4f}-{high:.4f}"


def _in_words(share: Share) -> str:
    low, high = share.interval
    return f"{share.value:.4f}  95 % {low:.4f} to {high:.4f}"
