"""`clsctl dataset import` and `clsctl dataset export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clsctl.plugin import Command, hookimpl

if TYPE_CHECKING:
    from clsctl.datasets.convert import Transfer

Source = Annotated[Path, typer.Argument(metavar="SRC", help="The dataset, in any layout.")]
Target = Annotated[
    Path, typer.Argument(metavar="DST", help="The new folder; nothing is overwritten.")
]
Format = Annotated[Literal["table", "json"], typer.Option("--format")]


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command("dataset import", "Convert a dataset to lists beside its images.", import_),
        Command("dataset export", "Convert a dataset to a folder for each class.", export),
    ]


def import_(
    source: Source,
    target: Target,
    mode: Annotated[
        Literal["copy", "link", "list"],
        typer.Option(help="Copy the images, hard-link them, or only list them where they are."),
    ] = "copy",
    format_: Format = "table",
) -> None:
    """Convert class folders, a CSV or Parquet table or lists to the layout that PaddleX reads.

    DST gets label.txt, train.txt, val.txt, test.txt (those that SRC has) and a folder `images`;
    with --mode list that is one link to where the images are.
    """
    from clsctl.console.progress import transfer_bar
    from clsctl.datasets.convert import import_dataset

    with transfer_bar("Copying images") as progress:
        done = import_dataset(source, target, mode, progress)
    _print(done, format_)


def export(
    source: Source,
    target: Target,
    mode: Annotated[
        Literal["copy", "link"], typer.Option(help="Copy the images, or hard-link them.")
    ] = "copy",
    format_: Format = "table",
) -> None:
    """Convert a dataset to class folders: DST/train/cat/1.jpg, or DST/cat/1.jpg if not split."""
    from clsctl.console.progress import transfer_bar
    from clsctl.datasets.convert import export_dataset

    with transfer_bar("Copying images") as progress:
        done = export_dataset(source, target, mode, progress)
    _print(done, format_)


def _print(done: Transfer, format_: str) -> None:
    from clsctl.datasets.printing import count, print_json, print_warnings, warning_fields

    if format_ == "json":
        fields = {
            "root": str(done.root),
            "classes": len(done.class_names),
            "samples": dict(done.samples),
            "warnings": warning_fields(done.warnings),
        }
        print_json(fields)
        return
    for split, samples in done.samples.items():
        print(f"{split}: {count(samples, 'sample')}")
    classes = count(len(done.class_names), "class", "classes")
    print(f"{classes}, written to {done.root}")
    print_warnings(done.warnings)
