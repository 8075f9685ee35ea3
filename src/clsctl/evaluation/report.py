"""Print what `clsctl eval` found; accuracy is in percent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from clsctl.console.tables import Text, new_table, open_console
from clsctl.console.text import count
from clsctl.evaluation import metrics

if TYPE_CHECKING:
    from rich.console import Console

    from clsctl.evaluation.result import Evaluation

ROWS = 40
"""The most classes in the table; of more, those with the lowest F1."""


def print_evaluation(evaluation: Evaluation) -> None:
    """Print accuracy, calibration and the table of classes."""
    console = open_console()
    _print_heading(console, evaluation)
    console.print(f"val.top1  {_accuracy(evaluation, 1)}")
    if evaluation.top5_meaningful:
        console.print(f"val.top5  {_accuracy(evaluation, 5)}")
    else:
        count = len(evaluation.class_names)
        console.print(
            f"val.top5  {100 * evaluation.top5:.2f} %  (meaningless with {count} classes)"
        )
    console.print(f"balanced  {100 * evaluation.balanced_accuracy:.2f} %  (mean recall)")
    console.print(f"ECE       {evaluation.ece:.4f}  (expected calibration error)")
    console.line()
    console.print(_class_table(evaluation))
    hidden = len(evaluation.occurring) - ROWS
    if hidden > 0:
        console.line()
        console.print(f"{hidden} classes with a higher F1 are in per_class.csv", style="dim")
    console.line()
    console.print(f"{_findings(evaluation)}: see mistakes.html", soft_wrap=True)


def _findings(evaluation: Evaluation) -> str:
    """Count what is worth looking at; labels only where the model can tell wrong ones."""
    mistakes, suspects = count(len(evaluation.mistakes), "mistake"), evaluation.suspects
    if len(suspects.indices) == 0:
        return mistakes
    labels = count(len(suspects.indices), "label")
    return f"{mistakes} and {labels} worth checking, of which about {suspects.wrong:.0f} are wrong"


def print_comparison(
    names: tuple[str, str], first: Evaluation, second: Evaluation, found: metrics.Comparison
) -> None:
    """Print two models beside each other, and whether their difference means anything."""
    console = open_console()
    console.print(
        f"{len(first.samples):,} images of {first.root.name}, split {first.split}", style="dim"
    )
    console.line()
    for letter, name, evaluation in zip("AB", names, (first, second), strict=True):
        line = Text.assemble((letter, "bold"), f"  {_accuracy(evaluation, 1)}  {name}")
        console.print(line, soft_wrap=True)
    low, high = found.interval
    console.line()
    console.print(
        f"B - A  {100 * found.difference:+.2f} points  95 % interval {100 * low:+.2f} to "
        f"{100 * high:+.2f}"
    )
    console.print(
        f"only A is right on {found.only_first}, only B on {found.only_second}; "
        f"McNemar p = {found.p_value:.2g}"
    )
    verdict = "real" if found.p_value < 0.05 else "not shown to be more than chance"
    console.print(f"The difference is {verdict} at the 5 % level.", style="bold")


def _print_heading(console: Console, evaluation: Evaluation) -> None:
    where = f"on {evaluation.root.name}, split {evaluation.split}"
    console.print(Text.assemble((evaluation.model, "bold"), f" {where}"))
    console.print(
        f"{len(evaluation.samples):,} images, {len(evaluation.class_names)} classes, "
        f"by {evaluation.runner}",
        style="dim",
    )
    console.line()


def _accuracy(evaluation: Evaluation, k: int) -> str:
    share, (low, high) = evaluation.top_k(k)
    return f"{100 * share:.2f} %  95 % interval {100 * low:.2f} to {100 * high:.2f}"


def _class_table(evaluation: Evaluation) -> Table:
    table = new_table()
    table.add_column("Class", overflow="fold")
    for header in ("Precision", "Recall", "95 %", "F1", "Images"):
        table.add_column(header, justify="right", no_wrap=True)
    for figures in _chosen(evaluation):
        low, high = figures["recall_interval95"]
        shares = (figures["precision"], figures["recall"])
        numbers = [f"{share:.3f}" for share in shares]
        interval = f"{low:.3f}-{high:.3f}"
        table.add_row(
            figures["name"], *numbers, interval, f"{figures['f1']:.3f}", f"{figures['support']:,}"
        )
    table.add_section()
    for name, mean in (
        ("macro mean", metrics.macro_mean),
        ("weighted mean", metrics.weighted_mean),
    ):
        precision, recall, f1 = (
            f"{mean(evaluation.matrix, column):.3f}" for column in evaluation.class_scores[:3]
        )
        table.add_row(Text(name, style="italic"), precision, recall, "", f1, "")
    return table


def _chosen(evaluation: Evaluation) -> list[dict[str, Any]]:
    figures = evaluation.as_dict()["per_class"]
    if len(figures) <= ROWS:
        return list(figures)
    return sorted(figures, key=lambda row: row["f1"])[:ROWS]
