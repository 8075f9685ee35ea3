"""`clsctl models import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clsctl.console.text import print_line
from clsctl.plugin import Command, hookimpl


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "models import",
            "Bring in a model that came by hand.",
            import_,
            examples=("clsctl models import ResNet50_infer.tar", "clsctl models import models.tar"),
        )
    ]


def import_(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", help="A model directory, its tar, a .pdparams or a bundle."
        ),
    ],
    name: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="What to call it.", show_default="the name it has in its files"
        ),
    ] = "",
) -> None:
    """Bring a model that came by hand into the store, for machines without a network."""
    from clsctl.models.bundle import import_path
    from clsctl.models.store import open_store

    for imported, kind in import_path(open_store(), source, name):
        print_line(f"{imported} {kind} imported")
