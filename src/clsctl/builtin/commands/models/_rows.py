"""Write the rows of `clsctl models list` as programs read them."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from clsctl.builtin.commands.models._filters import normal_mode
from clsctl.system.spreadsheets import safe_row
from clsctl.urls import printable_url
from clsctl.values import ModelEntry

if TYPE_CHECKING:
    from clsctl.bench.records import Measurement

_COLUMNS: Mapping[str, Callable[[ModelEntry], Any]] = {
    "name": lambda entry: entry.name,
    "family": lambda entry: entry.family,
    "top1": lambda entry: entry.top1,
    "cpu_ms": lambda entry: normal_mode(entry.cpu_ms),
    "cpu_ms_high_performance": lambda entry: entry.cpu_ms and entry.cpu_ms[1],
    "gpu_ms": lambda entry: normal_mode(entry.gpu_ms),
    "gpu_ms_high_performance": lambda entry: entry.gpu_ms and entry.gpu_ms[1],
    "size_mb": lambda entry: entry.size_mb,
    "core": lambda entry: entry.core,
    "catalog": lambda entry: entry.catalog,
    "inference": lambda entry: entry.inference and printable_url(entry.inference.url),
    "training": lambda entry: entry.training and printable_url(entry.training.url),
}
_MEASURED_COLUMNS: Mapping[str, Callable[[Measurement], Any]] = {
    "measured_ms": lambda record: record.all_threads.p50,
    "measured_images_per_second": lambda record: record.images_per_second,
    "measured_memory_mb": lambda record: record.memory_mb,
    "measured_top1": lambda record: record.top1,
    "measured_backend": lambda record: record.backend,
}


def rows_of(
    models: Sequence[ModelEntry],
    here: frozenset[str],
    measured: Mapping[str, Measurement] | None,
) -> list[dict[str, Any]]:
    """Return the facts about each model, by column.

    Args:
        models: What to list.
        here: Names of the models that are on this machine.
        measured: This machine's figures by name; None leaves their columns out.
    """
    return [
        {name: value(entry) for name, value in _COLUMNS.items()}
        | {"pulled": entry.name in here}
        | ({} if measured is None else _figures(measured.get(entry.name)))
        for entry in models
    ]


def print_csv(
    models: Sequence[ModelEntry],
    here: frozenset[str],
    measured: Mapping[str, Measurement] | None,
) -> None:
    """Print the rows as CSV with a header."""
    extra = [] if measured is None else _MEASURED_COLUMNS
    columns = [*_COLUMNS, "pulled", *extra]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in rows_of(models, here, measured):
        shown = row | {key: str(row[key]).lower() for key in ("core", "pulled")}
        writer.writerow(safe_row(shown[name] for name in columns))


def _figures(record: Measurement | None) -> dict[str, Any]:
    return {name: record and value(record) for name, value in _MEASURED_COLUMNS.items()}
