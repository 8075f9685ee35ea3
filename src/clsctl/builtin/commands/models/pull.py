"""`clsctl models pull`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clsctl.builtin.commands._options import Mirrors, Offline
from clsctl.builtin.commands._transfer import resumable_transfer
from clsctl.builtin.commands.models._arguments import Names, OldKind
from clsctl.console.text import print_line
from clsctl.plugin import Command, hookimpl

if TYPE_CHECKING:
    from clsctl.values import ModelEntry, WeightKind

HELP = "Download models, resuming interrupted downloads."


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "models pull",
            HELP,
            pull,
            examples=(
                "clsctl models pull PP-LCNet_x1_0",
                "clsctl models pull ResNet50 --mirror /media/models",
            ),
        )
    ]


def pull(
    names: Names,
    kind: Annotated[
        Literal["inference", "training", "all"],
        typer.Option(
            metavar="KIND",
            help="inference: the model to predict with; training: the weights to fine-tune from; "
            "or all.",
        ),
    ] = "inference",
    mirror: Mirrors = None,
    force: Annotated[
        bool, typer.Option("--force", help="Pull again, to repair damaged files.")
    ] = False,
    offline: Offline = None,
    old_kind: OldKind = None,
) -> None:
    """Download models into the store, check them, and print where they are.

    The SHA256 of every file is recorded by the first pull. A later pull that brings other content
    is refused; remove the model first if the change is expected.
    """
    from clsctl.models.catalog import get_entry
    from clsctl.models.pull import ensure_pulled
    from clsctl.models.store import open_store
    from clsctl.settings import load_settings

    store = open_store(load_settings(offline=offline))
    for entry in [get_entry(name) for name in names]:
        for one in _kinds(entry, kind):
            present = store.find(entry.name, one) is not None and not force
            with resumable_transfer(f"{entry.name} {one}", entry.name) as progress:
                folder = ensure_pulled(
                    store, entry, one, mirrors=mirror or (), force=force, progress=progress
                )
            print_line(f"{entry.name} {one} {'already in' if present else 'pulled to'} {folder}")


def _kinds(entry: ModelEntry, kind: Literal["inference", "training", "all"]) -> list[WeightKind]:
    from clsctl.models.store import KINDS

    return [each for each in KINDS if entry.artifact(each)] if kind == "all" else [kind]
