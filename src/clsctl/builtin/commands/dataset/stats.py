"""`clsctl dataset stats`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from clsctl.builtin.commands._options import PlainFormat
from clsctl.builtin.commands.dataset._arguments import Dataset, Layout
from clsctl.console.text import print_line
from clsctl.plugin import Command, hookimpl

if TYPE_CHECKING:
    from clsctl.datasets.check.statistics import Counts


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "dataset stats",
            "Count samples and bytes by class and split.",
            stats,
            examples=("clsctl dataset stats flowers", "clsctl dataset stats flowers --format json"),
        )
    ]


def stats(path: Dataset, layout: Layout = None, format_: PlainFormat = "table") -> None:
    """Count samples and bytes by class and split, without opening an image."""
    from clsctl.console.text import print_json
    from clsctl.datasets.check.statistics import count_samples

    found = count_samples(path, layout)
    if format_ == "json":
        print_json(_fields(found))
    else:
        _print(found)


def _fields(found: Counts) -> dict[str, Any]:
    return {
        "root": str(found.root),
        "layout": found.layout,
        "splits": found.splits,
        "classes": [asdict(one) | {"size": found.sizes[one.id]} for one in found.classes],
        "missing": found.missing,
        "problems": found.problems,
    }


def _print(found: Counts) -> None:
    from clsctl.console.messages import note
    from clsctl.console.text import count
    from clsctl.datasets.printing import LAYOUTS, print_figures

    totals = [one.total for one in found.classes]
    whole = sum(totals)
    rows = [
        (
            one.name or f"(id {one.id}, no name)",
            *(f"{one.samples[split]:,}" for split in found.splits),
            f"{one.total:,}",
            f"{100 * one.total / max(1, whole):.1f}",
            _mebibytes(found.sizes[one.id]),
        )
        for one in found.classes
    ]
    splits = [sum(one.samples[split] for one in found.classes) for split in found.splits]
    size = _mebibytes(sum(found.sizes.values()))
    sums = [("Total", *(f"{number:,}" for number in (*splits, whole)), "", size)]
    print_figures(("Class", *found.splits, "total", "%", "MiB"), rows, sums)
    print_line()
    print_line(
        f"{count(len(found.classes), 'class', 'classes')}, as {LAYOUTS[found.layout]}. "
        f"The largest has {max(totals, default=0):,} samples, the smallest "
        f"{min(totals, default=0):,}."
    )
    if found.missing or found.problems:
        note(
            f"{count(found.missing, 'file')} missing, {count(found.problems, 'problem')} in the "
            f"lists: `clsctl dataset check {found.root}` names them"
        )


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f}"
