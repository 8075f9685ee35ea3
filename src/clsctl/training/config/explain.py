"""`--explain-config`: every key of a run's configuration, its value, its origin and its meaning."""

from __future__ import annotations

from clsctl.training.config.sources import Leaf, Resolved, leaves

WIDE = 120
"""Columns from which the meanings fit beside the values."""


def print_config(resolved: Resolved) -> None:
    """Print one line a key; what was not left at its default stands out."""
    from rich.table import Table
    from rich.text import Text

    from clsctl.console.tables import open_console

    console = open_console()
    headers = ("Key", "Value", "From", *(("Meaning",) if console.width >= WIDE else ()))
    table = Table(*headers, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    values = resolved.values()
    for leaf in leaves():
        origin = resolved.origins[leaf.name]
        style = "dim" if origin == "default" else ""
        cells = [
            Text(leaf.name),
            Text(_shown(values[leaf.name], leaf), style),
            Text(origin, style),
            Text(str(leaf.facts["help"]), "dim"),
        ]
        table.add_row(*cells[: len(headers)])
    console.print(table)


def _shown(value: object, leaf: Leaf) -> str:
    if value is None:
        return "-"
    if value == 0 and leaf.facts.get("auto"):
        return "auto"
    if isinstance(value, tuple):
        return ", ".join(f"{item:.4g}" for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value) or "-"
