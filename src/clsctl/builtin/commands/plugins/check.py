"""`clsctl plugins check`."""

from __future__ import annotations

from clsctl.console.text import print_line
from clsctl.errors import UsageError
from clsctl.plugin import Command, hookimpl


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "plugins check",
            "Load every plugin and report what is wrong.",
            check_plugins,
            examples=("clsctl plugins check", "CLSCTL_DISABLED_PLUGINS=ray clsctl plugins check"),
        ),
    ]


def check_plugins() -> None:
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
    print_line(f"{len(added)} plugins are sound; together they add {total} things.")
