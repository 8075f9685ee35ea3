"""`clsctl dataset export`."""

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
            "dataset export",
            "Convert a dataset to a folder for each class.",
            export,
            examples=(
                "clsctl dataset export flowers folders",
                "clsctl dataset export flowers folders --mode link",
            ),
        )
    ]


def export(
    source: Source,
    target: Target,
    mode: Annotated[
        Literal["copy", "link"],
        typer.Option(metavar="HOW", help="copy the images, or link (hard-link) them."),
    ] = "copy",
    layout: Layout = None,
    format_: PlainFormat = "table",
) -> None:
    """Convert a dataset to class folders: DST/train/cat/1.jpg, or DST/cat/1.jpg if not split."""
    from clsctl.console.progress import transfer_bar
    from clsctl.datasets.convert import export_dataset

    with transfer_bar("Copying images") as progress:
        made = export_dataset(source, target, mode, progress, layout)
    print_converted(made, format_)
