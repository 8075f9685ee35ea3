"""Define arguments, and print results, that several commands of `clsctl dataset` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clsctl.console.text import print_line

if TYPE_CHECKING:
    from clsctl.datasets.convert import ConvertedDataset

Dataset = Annotated[Path, typer.Argument(metavar="DIR", help="The dataset, in any layout.")]
Source = Annotated[Path, typer.Argument(metavar="SRC", help="The dataset, in any layout.")]
Target = Annotated[
    Path, typer.Argument(metavar="DST", help="The new folder; nothing is overwritten.")
]
Layout = Annotated[
    Literal["folders", "lists", "table"] | None,
    typer.Option(
        metavar="NAME",
        help="Read this layout alone: folders, lists or table.",
        show_default="what is there",
    ),
]


def print_converted(made: ConvertedDataset, format_: Literal["table", "json"]) -> None:
    """Print what a conversion made."""
    from clsctl.console.text import count, print_json
    from clsctl.datasets.printing import print_warnings, warning_fields

    if format_ == "json":
        print_json(
            {
                "root": str(made.root),
                "classes": len(made.class_names),
                "samples": dict(made.samples),
                "warnings": warning_fields(made.warnings),
            }
        )
        return
    for split, samples in made.samples.items():
        print_line(f"{split}: {count(samples, 'sample')}")
    classes = count(len(made.class_names), "class", "classes")
    print_line(f"{classes}, written to {made.root}")
    print_warnings(made.warnings)
