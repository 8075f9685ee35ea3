"""The groups of commands, with what `clsctl --help` says of each."""

from __future__ import annotations

from clsctl.plugin import Command, hookimpl


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command("config", "See the settings and where each comes from."),
        Command("dataset", "Check, split, count and convert datasets."),
        Command("models", "List, pull and look after models."),
        Command("plugins", "See what plugins add, and whether they are sound."),
    ]
