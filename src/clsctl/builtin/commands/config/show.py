"""`clsctl config show`."""

from __future__ import annotations

from clsctl.plugin import Command, hookimpl
from clsctl.urls import printable_url


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "config show",
            "Show every setting, its value and its origin.",
            show,
            examples=("clsctl config show", "CLSCTL_DEVICE=cpu clsctl config show"),
        ),
    ]


def show() -> None:
    """Show every setting, and whether it comes from config.toml, a variable or the defaults.

    A CLSCTL_* variable overrides config.toml, and a command's option both.

    What is wrong there is left out and said; every other command stops at it.
    """
    from clsctl.console.messages import print_error
    from clsctl.console.tables import Text, new_table, open_console
    from clsctl.errors import UsageError
    from clsctl.schema.layers import config_keys
    from clsctl.settings import Settings, folders, load_settings

    problems: list[UsageError] = []
    settings, places = load_settings(report=problems.append), folders()
    table = new_table("Setting", "Value", "From", "Meaning")
    for item in config_keys(Settings):
        value = getattr(settings, item.name)
        shown = ", ".join(map(printable_url, value)) if isinstance(value, tuple) else str(value)
        origin = settings.origins[item.name]
        table.add_row(item.name, Text(shown or "-"), Text(origin), Text(item.meaning, style="dim"))
    console = open_console()
    console.print(table)
    console.print()
    for name, path in (
        ("models", places.data),
        ("cache", places.cache),
        ("config file", places.config_file),
    ):
        console.print(f"{name:12}{path}", soft_wrap=True)
    for problem in problems[:-1]:
        print_error(problem)
    if problems:
        raise problems[-1]
