"""`clsctl models remove`."""

from __future__ import annotations

from clsctl.builtin.commands.models._arguments import PulledNames
from clsctl.console.text import print_line
from clsctl.plugin import Command, hookimpl


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "models remove",
            "Delete models from the store.",
            remove,
            examples=(
                "clsctl models remove ResNet50",
                "clsctl models remove ResNet50 PP-LCNet_x1_0",
            ),
        )
    ]


def remove(names: PulledNames) -> None:
    """Delete models, and what interrupted pulls of them left."""
    from clsctl.models.install import remove_model
    from clsctl.models.store import open_store

    store = open_store()
    for name in names:
        remove_model(store, name)
        print_line(f"{name} removed")
