"""`clsctl dataset check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clsctl.builtin.commands._completion import complete_problems
from clsctl.builtin.commands._options import PlainFormat
from clsctl.builtin.commands.dataset._arguments import Dataset, Layout
from clsctl.console.text import print_line
from clsctl.errors import DataError
from clsctl.plugin import Command, hookimpl


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "dataset check",
            "Find what would break or spoil training.",
            check,
            examples=("clsctl dataset check flowers", "clsctl dataset check flowers --fast"),
        ),
    ]


def check(
    path: Dataset,
    fast: Annotated[
        bool, typer.Option("--fast", help="Read only the headers of images: decode nothing.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Count warnings as errors.")] = False,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODE",
            help="Leave out problems of this code; repeatable.",
            autocompletion=complete_problems,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="The folder for the result.")
    ] = Path("output"),
    layout: Layout = None,
    format_: PlainFormat = "table",
) -> None:
    """Find what would break or spoil training, each problem with its place and its fix.

    Reads label.txt with train.txt and val.txt, a folder for each class, or a table. Every image is
    decoded. The result goes to check_dataset_result.json for programs, and to
    check_dataset/report.html to read, in the output folder. Exit status 3 if there is an error.
    """
    from clsctl.console.progress import count_bar
    from clsctl.console.text import print_json
    from clsctl.datasets.check.check import check_dataset
    from clsctl.datasets.check.files import FOLDER, PAGE, prepare_output, write_check, write_failure
    from clsctl.datasets.check.json import verdict
    from clsctl.datasets.check.printing import print_check

    prepare_output(output)
    try:
        with count_bar("Checking images") as progress:
            report = check_dataset(
                path,
                layout=layout,
                fast=fast,
                strict=strict,
                ignore=ignore or (),
                progress=progress,
            )
    except DataError as error:
        write_failure(error, output)
        raise
    fields = write_check(report, output)
    if format_ == "json":
        print_json(fields)
    else:
        print_check(report, output / FOLDER / PAGE)
    failure = verdict(report)
    if failure is not None:
        raise failure
    if format_ == "table":
        print_line("Check dataset passed !")
