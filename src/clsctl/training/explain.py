"""`--explain-config`: every key of a run's configuration, its value, its origin and its meaning."""

from __future__ import annotations

from clsctl.training.layers import Resolved, leaves


def print_config(resolved: Resolved) -> None:
    """Print one line a key; what was not left at its default stands out."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("Key", "Value", "From", "Meaning", box=None, header_style="bold")
    values = resolved.values()
    for leaf in leaves():
        origin = resolved.origins[leaf.name]
        style = "dim" if origin == "default" else ""
        meaning = Text(str(leaf.facts["help"]), style="dim")
        table.add_row(
            leaf.name, Text(_shown(values[leaf.name]), style), Text(origin, style), meaning
        )
    Console().print(table)


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{item:.4g}" for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value) or "-"
