"""`--explain-config`: every key of a run's configuration, its value, its origin and its meaning."""

from __future__ import annotations

from typing import Any

from clsctl.schema.layers import config_keys
from clsctl.training.config.sources import ResolvedConfig, may_be_auto
from clsctl.training.config.train_config import AUTO, TrainConfig

WIDE = 120
"""Columns from which origins need not stand below the values to leave room for the meanings."""

NARROW_VALUE = 18
DEFAULT = "default"


def print_config(resolved: ResolvedConfig) -> None:
    """Print one line a key; what was not left at its default stands out."""
    from clsctl.console.tables import Text, new_table, open_console, stack

    console = open_console()
    wide = console.width >= WIDE
    table = new_table("Key")
    table.add_column("Value", overflow="fold", max_width=None if wide else NARROW_VALUE)
    for header in ("From", "Meaning") if wide else ("Meaning",):
        table.add_column(header)
    values = resolved.values()
    for item in config_keys(TrainConfig):
        origin = resolved.origins[item.name]
        style = "dim" if origin == DEFAULT else ""
        value = Text(format_value(values[item.name], item.kind), style)
        below = [] if wide or origin == DEFAULT else [Text(origin, "dim")]
        beside = [Text(origin, style)] if wide else []
        cells = stack([value, *below]), *beside, Text(item.meaning, "dim")
        table.add_row(Text(item.name), *cells)
    console.print(table)


def format_value(value: object, kind: Any) -> str:
    """Return the value of a key of that annotation, as it is shown: `-` where there is none."""
    if value is None:
        return "-"
    if value == AUTO.value and may_be_auto(kind):
        return AUTO.word
    if isinstance(value, tuple):
        return ", ".join(f"{item:.4g}" for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value) or "-"
