"""What `clsctl eval` leaves behind.

    evaluate_result.json         PaddleX's keys, and everything else below `clsctl`
    evaluation/per_class.csv     precision, recall with its interval, F1 and support
    evaluation/confusion_matrix.csv, confusion_matrix.png
    evaluation/reliability.png   confidence against accuracy
    evaluation/predictions.csv   one line an image, in the dataset's order
    evaluation/suspected_labels.csv
    evaluation/mistakes.html     the most confident mistakes and the suspected labels, to look at

evaluate_result.json is written last: where it is new, so is everything beside it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from clsctl.console.text import to_json
from clsctl.evaluation.html import render_gallery
from clsctl.evaluation.metrics import Comparison
from clsctl.evaluation.result import Evaluation
from clsctl.system.files import open_output
from clsctl.system.spreadsheets import safe_row
from clsctl.values import __version__

RESULT = "evaluate_result.json"
FOLDER = "evaluation"

Row = Sequence[object]


def save_evaluation(evaluation: Evaluation, output: Path) -> None:
    """Write every file below `output`, each whole or not at all.

    Raises:
        UsageError: A file cannot be written (`E_OUTPUT`).
    """
    folder = output / FOLDER
    write_csv(folder / "per_class.csv", _per_class(evaluation))
    write_csv(folder / "confusion_matrix.csv", _confusion(evaluation))
    write_csv(folder / "predictions.csv", _predictions(evaluation))
    write_csv(folder / "suspected_labels.csv", _suspects(evaluation))
    _plot(evaluation, folder)
    with open_output(folder / "mistakes.html") as stream:
        stream.write(render_gallery(evaluation))
    write_json(output / RESULT, as_result(evaluation))


def as_result(evaluation: Evaluation) -> dict[str, Any]:
    """evaluate_result.json: PaddleX's two keys, whatever the split, and our own."""
    return {
        "done_flag": True,
        "metrics": {"val.top1": evaluation.top1, "val.top5": evaluation.top5},
        "clsctl": {"version": __version__, **evaluation.as_dict()},
    }


def save_comparison(
    names: tuple[str, str],
    first: Evaluation,
    second: Evaluation,
    comparison: Comparison,
    output: Path,
) -> None:
    """Write compare_result.json, and comparison.csv with the images that only one got right.

    Raises:
        UsageError: A file cannot be written (`E_OUTPUT`).
    """
    write_csv(output / "comparison.csv", _disagreements(first, second))
    models = zip(names, (first, second), strict=True)
    content = {
        "models": [{"name": name, **evaluation.as_dict()} for name, evaluation in models],
        "comparison": comparison._asdict(),
    }
    write_json(output / "compare_result.json", content)


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    with open_output(path) as stream:
        csv.writer(stream, lineterminator="\n").writerows(map(safe_row, rows))


def write_json(path: Path, content: object) -> None:
    with open_output(path) as stream:
        stream.write(to_json(content, indent=2) + "\n")


def _per_class(evaluation: Evaluation) -> Iterable[Row]:
    yield ("id", "name", "precision", "recall", "recall_low", "recall_high", "f1", "support")
    for figures in evaluation.as_dict()["per_class"]:
        low, high = figures.pop("recall_interval95")
        ordered = ("id", "name", "precision", "recall"), ("f1", "support")
        first, last = ([figures[key] for key in keys] for keys in ordered)
        yield (*first, low, high, *last)


def _confusion(evaluation: Evaluation) -> Iterable[Row]:
    yield ("label \\ predicted", *evaluation.class_names)
    for name, counts in zip(evaluation.class_names, evaluation.matrix.tolist(), strict=True):
        yield (name, *counts)


def _predictions(evaluation: Evaluation) -> Iterable[Row]:
    names = evaluation.class_names
    yield ("path", "label", "predicted", "confidence")
    for sample, label, predicted, confidence in zip(
        evaluation.samples,
        evaluation.labels.tolist(),
        evaluation.predicted.tolist(),
        evaluation.confidences.tolist(),
        strict=True,
    ):
        yield (sample.path, names[label], names[predicted], f"{confidence:.6f}")


def _suspects(evaluation: Evaluation) -> Iterable[Row]:
    names = evaluation.class_names
    yield ("path", "listed_in", "line", "label", "probability", "suggested", "its_probability")
    found = evaluation.suspects
    for place, other in zip(found.indices.tolist(), found.suggested.tolist(), strict=True):
        sample, scores = evaluation.samples[place], evaluation.scores[place]
        label = int(evaluation.labels[place])
        own, theirs = (f"{float(scores[class_id]):.6f}" for class_id in (label, other))
        yield (sample.path, sample.file, sample.line, names[label], own, names[other], theirs)


def _disagreements(first: Evaluation, second: Evaluation) -> Iterable[Row]:
    yield ("path", "label", "first", "second")
    for place in (first.correct != second.correct).nonzero()[0].tolist():
        names = (e.class_names[e.predicted[place]] for e in (first, second))
        yield (first.samples[place].path, first.class_names[first.labels[place]], *names)


def _plot(evaluation: Evaluation, folder: Path) -> None:
    from clsctl.evaluation.plots import plot_confusion_matrix, plot_reliability

    matrix_file = folder / "confusion_matrix.png"
    plot_confusion_matrix(evaluation.matrix, evaluation.class_names, matrix_file)
    plot_reliability(evaluation.confidences, evaluation.correct, folder / "reliability.png")
