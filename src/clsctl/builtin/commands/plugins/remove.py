"""`clsctl plugins remove`."""

from __future__ import annotations

from typing import Annotated

import typer

from clsctl.console.text import print_line
from clsctl.plugin import Command, hookimpl


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "plugins remove",
            "Remove plugins, sound or broken.",
            remove_plugins,
            examples=("clsctl plugins remove clsctl-serve", "clsctl plugins remove serve ray"),
        )
    ]


def remove_plugins(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Names of plugins or distributions.")
    ],
) -> None:
    """Remove plugins from the environment of clsctl; what they required stays."""
    from clsctl.plugin.install import remove

    print_line(f"removed {', '.join(remove(names))}")
