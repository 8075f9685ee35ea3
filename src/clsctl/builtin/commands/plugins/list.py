"""`clsctl plugins list`."""

from __future__ import annotations

from clsctl.plugin import Command, hookimpl

HELP = "Show each plugin, where it comes from and what it adds."


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "plugins list",
            HELP,
            list_plugins,
            examples=("clsctl plugins list", "CLSCTL_DISABLED_PLUGINS=ray clsctl plugins list"),
        )
    ]


def list_plugins() -> None:
    from clsctl.console.tables import new_table, open_console, stack
    from clsctl.plugin.registry import default_registry, find_all

    registry = default_registry()
    table = new_table("Plugin", "Origin", "Adds")
    for plugin, added in find_all(registry).items():
        lines = [f"{kind}: {', '.join(names)}" for kind, names in added.items()]
        table.add_row(plugin, registry.origins[plugin], stack(lines or ["nothing"]))
    open_console().print(table)
