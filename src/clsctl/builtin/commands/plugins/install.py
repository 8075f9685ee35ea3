"""`clsctl plugins install`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from clsctl.console.text import print_line
from clsctl.plugin import Command, hookimpl

if TYPE_CHECKING:
    from clsctl.plugin.inspection import Inspection


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "plugins install",
            "Install plugins into the environment of clsctl.",
            install_plugins,
            examples=(
                "clsctl plugins install clsctl-serve",
                "clsctl plugins install ./my-plugin dist/other-1.0-py3-none-any.whl",
            ),
        )
    ]


def install_plugins(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME|FOLDER|WHEEL...", help="Names on the package index, or files and folders."
        ),
    ],
    offline: Annotated[
        bool | None, typer.Option("--offline", help="Use no package index.", show_default=False)
    ] = None,
) -> None:
    """Install plugins, or change nothing where clsctl would not start with them.

    Packages that are installed already stay as they are, version for version.
    """
    from clsctl.plugin.install import install
    from clsctl.settings import load_settings

    changed, found = install(sources, load_settings(offline=offline).offline)
    print_line(f"installed {', '.join(changed)}" if changed else "all of it was installed already")
    _report(changed, found)


def _report(changed: list[str], found: Inspection) -> None:
    """Say what the new plugins add, and fail where one cannot be loaded."""
    from clsctl.console.messages import note
    from clsctl.errors import UsageError
    from clsctl.plugin.distributions import installed, plugins

    new = {name: points for name, points in plugins(installed()).items() if name in changed}
    names = [point for points in new.values() for point in points]
    for point in names:
        for kind, added in found.added.get(point, {}).items():
            print_line(f"{point} adds {kind}: {', '.join(added)}")
    broken = [text for text in found.problems if any(f"'{name}'" in text for name in names)]
    if broken:
        raise UsageError(
            "; ".join(broken),
            code="E_PLUGIN_BROKEN",
            hint=f"clsctl plugins remove {' '.join(new)}",
        )
    if changed and not new:
        note("none of that is a plugin of clsctl")
