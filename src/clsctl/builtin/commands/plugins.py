"""`clsctl plugins list` and `clsctl plugins check`."""

from __future__ import annotations

from clsctl.plugin import Command, hookimpl


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command("plugins", "See what plugins add, and whether they are sound."),
        Command(
            "plugins list", "Show each plugin, where it comes from and what it adds.", list_plugins
        ),
        Command("plugins check", "Load every plugin and report what is wrong.", check_plugins),
    ]


def list_plugins() -> None:
    from rich.console import Console
    from rich.table import Table

    from clsctl.plugin.registry import default_registry, find_all

    registry = default_registry()
    table = Table("Plugin", "Origin", "Adds", box=None, pad_edge=False, header_style="bold")
    for plugin, added in find_all(registry).items():
        lines = [f"{kind}: {', '.join(names)}" for kind, names in added.items()]
        table.add_row(plugin, registry.origins[plugin], "\n".join(lines) or "nothing")
    Console().print(table)


def check_plugins() -> None:
    from clsctl.errors import UsageError
    from clsctl.plugin.registry import default_registry, find_all

    registry = default_registry()
    added = find_all(registry)
    if registry.problems:
        raise UsageError(
            f"{len(registry.problems)} problem(s) among {len(added)} plugins: "
            + "; ".join(registry.problems),
            code="E_PLUGIN_BROKEN",
            hint="reinstall the plugin, or name it in CLSCTL_DISABLED_PLUGINS",
        )
    total = sum(len(names) for kinds in added.values() for names in kinds.values())
    print(f"{len(added)} plugins are sound; together they add {total} things.")
