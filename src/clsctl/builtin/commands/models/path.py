"""`clsctl models path`."""

from __future__ import annotations

from typing import Annotated

import typer

from clsctl.builtin.commands.models._arguments import Name, OldKind
from clsctl.console.text import print_line
from clsctl.plugin import Command, hookimpl
from clsctl.values import WeightKind


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "models path",
            "Print where a model is.",
            path,
            examples=("clsctl models path ResNet50", "ls $(clsctl models path ResNet50)"),
        )
    ]


def path(
    name: Name,
    kind: Annotated[
        WeightKind,
        typer.Option(
            metavar="KIND",
            help="inference: the model directory; training: the .pdparams file to train from.",
        ),
    ] = "inference",
    old_kind: OldKind = None,
) -> None:
    """Print where a model is, for use in scripts."""
    from clsctl.models.store import not_pulled, open_store, pdparams_path

    folder = open_store().find(name, kind)
    if folder is None:
        raise not_pulled(name)
    print_line(pdparams_path(folder, name) if kind == "training" else folder)
