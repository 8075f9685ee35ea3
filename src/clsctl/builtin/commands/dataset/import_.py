"""`clsctl dataset import`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from clsctl.builtin.commands._options import PlainFormat
from clsctl.builtin.commands.dataset._arguments import (
    Layout,
    Source,
    Target,
    print_converted,
)
from clsctl.plugin import Command, hookimpl


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "dataset import",
            "Convert a dataset to lists beside its images.",
            import_,
            examples=(
                "clsctl dataset import photos flowers",
                "clsctl dataset import table.csv flowers",
            ),
        )
    ]


def import_(
    source: Source,
    target: Target,
    mode: Annotated[
        Literal["copy", "link", "list"],
        typer.Option(
            metavar="HOW",
            help="copy the images, link (hard-link) them, or only list them where they are.",
        ),
    ] = "copy",
    layout: Layout = None,
    format_: PlainFormat = "table",
) -> None:
    """Convert class folders, a CSV or Parquet table or lists to the layout that PaddleX reads.

    DST gets label.txt, train.txt, val.txt, test.txt (those that SRC has) and a folder `images`;
    with --mode list that is one link to where the images are.
    """
    from clsctl.console.progress import transfer_bar
    from clsctl.datasets.convert import import_dataset

    with transfer_bar("Copying images") as progress:
        made = import_dataset(source, target, mode, progress, layout)
    print_converted(made, format_)
