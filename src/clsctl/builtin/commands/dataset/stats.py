"""`clsctl dataset stats`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from clsctl.builtin.commands.dataset._arguments import Dataset, Format
from clsctl.plugin import Command, hookimpl

if TYPE_CHECKING:
    from clsctl.datasets.check.stats import Stats

LAYOUTS = {"lists": "lists", "folders": "class folders", "table": "a table"}


@hookimpl
def clsctl_commands() -> list[Command]:
    return [Command("dataset stats", "Count samples and bytes by class and split.", stats)]


def stats(
    path: Dataset,
    format_: Format = "table",
) -> None:
    """Count samples and bytes by class and split, without opening an image."""
    from clsctl.console.text import print_json
    from clsctl.datasets.check.stats import dataset_stats

    found = dataset_stats(path)
    if format_ == "json":
        print_json(asdict(found) | {"root": str(found.root)})
    else:
        _print(found)


def _print(found: Stats) -> None:
    from clsctl.console.messages import note
    from clsctl.console.text import count
    from clsctl.datasets.printing import print_figures

    totals = [one.total for one in found.classes]
    whole = sum(totals)
    rows = [
        (
            one.name or f"(id {one.id}, no name)",
            *(f"{one.samples[split]:,}" for split in found.splits),
            f"{one.total:,}",
            f"{100 * one.total / max(1, whole):.1f}",
            _mebibytes(one.size),
        )
        for one in found.classes
    ]
    splits = [sum(one.samples[split] for one in found.classes) for split in found.splits]
    size = _mebibytes(sum(one.size for one in found.classes))
    sums = [("Total", *(f"{number:,}" for number in (*splits, whole)), "", size)]
    print_figures(("Class", *found.splits, "total", "%", "MiB"), rows, sums)
    print(f"\n{count(len(found.classes), 'class', 'classes')}, as {LAYOUTS[found.layout]}.", end="")
    print(f" The largest has {max(totals):,} samples, the smallest {min(totals):,}.")
    if found.missing or found.problems:
        note(
            f"{count(found.missing, 'file')} missing, {count(found.problems, 'problem')} in the "
            f"lists: `clsctl dataset check {found.root}` names them"
        )


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f}"
