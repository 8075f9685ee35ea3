"""`clsctl dataset split`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clsctl.builtin.commands._options import PlainFormat
from clsctl.builtin.commands.dataset._arguments import Dataset, Layout
from clsctl.console.text import print_line
from clsctl.errors import UsageError
from clsctl.paths import is_file
from clsctl.plugin import Command, hookimpl

if TYPE_CHECKING:
    from clsctl.datasets.split.split import SplitResult


@hookimpl
def clsctl_commands() -> list[Command]:
    help_text = "Split samples into training, validation and test lists, or into folds."
    return [
        Command(
            "dataset split",
            help_text,
            split,
            examples=("clsctl dataset split flowers", "clsctl dataset split flowers --seed 1"),
        )
    ]


def split(
    path: Dataset,
    train: Annotated[
        float | None,
        typer.Option(metavar="PERCENT", help="For training.", show_default="the rest"),
    ] = None,
    val: Annotated[
        float | None,
        typer.Option(
            metavar="PERCENT", help="For validation.", show_default="10, or the rest of --train"
        ),
    ] = None,
    test: Annotated[
        float | None,
        typer.Option(
            metavar="PERCENT",
            help="For test. A test list that is there stays as it is unless this is given.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed gives another split.")] = 0,
    stratify: Annotated[
        bool, typer.Option(help="Share out every class, or only the samples as a whole.")
    ] = True,
    group: Annotated[
        str,
        typer.Option(
            metavar="REGEX|FILE",
            help="What shows one object stays in one split: the object is the first group (or the "
            "whole match) of the expression in the path, or the second column of a CSV file.",
            show_default=False,
        ),
    ] = "",
    dedupe_groups: Annotated[
        bool, typer.Option("--dedupe-groups", help="Nearly equal images stay in one split.")
    ] = False,
    kfold: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Make K datasets for cross-validation instead, with links to the images.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="DIR", help="Where the folds go.", show_default="DIR-folds"
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the result by class and write nothing.")
    ] = False,
    layout: Layout = None,
    format_: PlainFormat = "table",
) -> None:
    """Split samples into training, validation and test lists, or into folds.

    Every class is shared out to within one sample. The same seed gives the same lists, byte for
    byte, whatever the order of the old ones. Old lists are kept as train.txt.bak, train.txt.bak1
    and so on; if the command is killed, either the old lists are there or the new ones.
    """
    from clsctl.console.progress import count_bar
    from clsctl.datasets.split.split import make_folds, split_dataset

    with count_bar("Comparing images") as progress:
        how: dict[str, Any] = {
            "layout": layout,
            "seed": seed,
            "stratify": stratify,
            "group": (Path(group) if is_file(group) else group) or None,
            "dedupe_groups": dedupe_groups,
            "dry_run": dry_run,
            "progress": progress,
        }
        if kfold is None:
            _require_no_output(output)
            done = split_dataset(path, train=train, val=val, test=test, **how)
        else:
            _require_no_percentages(train, val, test)
            done = make_folds(path, output, folds=kfold, **how)
    if format_ == "json":
        _print_json(done, seed, dry_run)
    else:
        _print(done, dry_run)


def _require_no_output(output: Path | None) -> None:
    if output is not None:
        raise UsageError(
            "--output is where folds go; lists stay beside the images",
            hint="give --kfold K as well, or leave --output out",
        )


def _require_no_percentages(*percentages: float | None) -> None:
    if any(percentage is not None for percentage in percentages):
        raise UsageError(
            "--kfold makes parts of equal size, so that there is no percentage to choose",
            code="E_SPLIT_PERCENT",
            hint="leave --train, --val and --test out; a test list that is there stays as it is",
        )


def _print(done: SplitResult, dry_run: bool) -> None:
    from clsctl.console.text import count
    from clsctl.datasets.printing import print_warnings

    if dry_run:
        _print_table(done)
    else:
        for name, items in done.splits.items():
            backup = done.backups.get(f"{name}.txt")
            kept = f" (the old list is {backup})" if backup else ""
            print_line(f"{name}: {count(len(items), 'sample')}{kept}")
        for file in done.backups.keys() - {f"{name}.txt" for name in done.splits}:
            print_line(f"{file} is {done.backups[file]} now")
        print_line(f"written to {done.root}")
    if done.held_out:
        print_line(f"test: {count(len(done.held_out), 'sample')}, left as they were")
    if done.repeated:
        print_line(f"kept once: {count(done.repeated, 'line')} named a sample listed before")
    print_warnings(done.warnings)


def _counts(done: SplitResult) -> dict[str, Counter[int]]:
    """Count samples by class id, by split."""
    return {name: Counter(line.label for line in lines) for name, lines in done.splits.items()}


def _print_table(done: SplitResult) -> None:
    from clsctl.datasets.printing import print_figures

    counts = _counts(done)
    rows = [
        (
            name,
            *(f"{counted[label]:,}" for counted in counts.values()),
            f"{sum(counted[label] for counted in counts.values()):,}",
        )
        for label, name in sorted(done.class_names.items())
    ]
    sizes = [len(items) for items in done.splits.values()]
    whole = sum(sizes)
    sums = [
        ("Total", *(f"{size:,}" for size in (*sizes, whole))),
        ("", *(f"{100 * size / whole:.1f} %" for size in sizes), ""),
    ]
    print_figures(("Class", *counts, "total"), rows, sums)


def _print_json(done: SplitResult, seed: int, dry_run: bool) -> None:
    from clsctl.console.text import print_json
    from clsctl.datasets.printing import warning_fields

    counts = _counts(done)
    print_json(
        {
            "root": str(done.root),
            "seed": seed,
            "dry_run": dry_run,
            "splits": {
                name: {"samples": len(items), "share": done.shares[name]}
                for name, items in done.splits.items()
            },
            "held_out": len(done.held_out),
            "repeated": done.repeated,
            "classes": [
                {"id": label, "name": name, **{split: counts[split][label] for split in counts}}
                for label, name in sorted(done.class_names.items())
            ],
            "backups": dict(done.backups),
            "warnings": warning_fields(done.warnings),
        }
    )
