"""The groups of commands, with what `clsctl --help` says of each."""

from __future__ import annotations

from clsctl.plugin import Command, hookimpl


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "config",
            "See the settings and where each comes from.",
            examples=("clsctl config show", "CLSCTL_DEVICE=cpu clsctl config show"),
        ),
        Command(
            "dataset",
            "Check, split, count and convert datasets.",
            examples=("clsctl dataset check flowers", "clsctl dataset split flowers"),
        ),
        Command(
            "models",
            "List, pull and look after models.",
            examples=("clsctl models list --core", "clsctl models pull PP-LCNet_x1_0"),
        ),
        Command(
            "plugins",
            "See what plugins add, and whether they are sound.",
            examples=("clsctl plugins list", "clsctl plugins check"),
        ),
    ]
