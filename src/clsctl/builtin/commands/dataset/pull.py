"""`clsctl dataset pull`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clsctl.builtin.commands._completion import complete_datasets
from clsctl.builtin.commands._options import Mirrors, Offline
from clsctl.builtin.commands._transfer import resumable_transfer
from clsctl.console.text import print_line
from clsctl.plugin import Command, hookimpl


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "dataset pull",
            "Download a demo dataset.",
            pull,
            examples=(
                "clsctl dataset pull cls_flowers_examples",
                "clsctl dataset pull cls_flowers_examples -o flowers",
            ),
        )
    ]


def pull(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Such as cls_flowers_examples.", autocompletion=complete_datasets
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Its folder.", show_default="./NAME"),
    ] = None,
    mirror: Mirrors = None,
    offline: Offline = None,
) -> None:
    """Download a demo dataset, resuming an interrupted download, and print where it is.

    The archive is unpacked safely and its lists are read before the folder appears. Its
    clsctl.json records the SHA256 of the archive and of every file.
    """
    from clsctl.datasets.pull import pull_dataset
    from clsctl.settings import load_settings

    settings = load_settings(offline=offline)
    with resumable_transfer(name, name) as progress:
        folder = pull_dataset(
            name, output, mirrors=mirror or (), settings=settings, progress=progress
        )
    print_line(f"{name} is in {folder}")
