"""Say what would make a model better: of which class to add images, which labels to look at."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from clsctl.console.text import count
from clsctl.evaluation.metrics import wilson_interval

if TYPE_CHECKING:
    from clsctl.evaluation.result import Evaluation
    from clsctl.searching.record import Trial

WEAKEST = 3
"""Classes that are named."""

GOOD = 0.95
"""A class of which this share is found needs nothing."""

FEW = 0.8
"""Of the images of the median class: with fewer, a class has few."""


def advise(evaluation: Evaluation, train_images: Mapping[int, int], trial: Trial) -> list[str]:
    """Return sentences, what matters most first.

    Args:
        evaluation: Of the model.
        train_images: Training images by class id.
        trial: The run that the model comes from.
    """
    lines = [*_weak_classes(evaluation, train_images), *_labels(evaluation)]
    if trial.epoch and trial.epoch == trial.epochs:
        lines.append(
            "The last epoch was the best one: more time may still help (--time, or more epochs)."
        )
    if trial.epoch == 0:
        lines.append(
            "Training did not improve on the classifier that it began with: more images help more "
            "than more time."
        )
    return lines


def _weak_classes(evaluation: Evaluation, train_images: Mapping[int, int]) -> Iterator[str]:
    recall, support = evaluation.class_scores.recall, evaluation.class_scores.support
    present = [label for label in evaluation.occurring if support[label]]
    weak = sorted((one for one in present if recall[one] < GOOD), key=lambda one: recall[one])
    for label in weak[:WEAKEST]:
        yield _describe_class(evaluation, label, train_images)


def _describe_class(evaluation: Evaluation, label: int, train_images: Mapping[int, int]) -> str:
    hits, total = int(evaluation.matrix[label, label]), int(evaluation.matrix[label].sum())
    low, high = wilson_interval(hits, total)
    missed = evaluation.matrix[label].copy()
    missed[label] = 0
    other = evaluation.class_names[int(missed.argmax())]
    name, images = evaluation.class_names[label], train_images.get(label, 0)
    usual = statistics.median(train_images.values())
    few = f", where the median class has {usual:,.0f}" if images < FEW * usual else ""
    return (
        f"Add images of \u2018{name}\u2019: {hits} of {total} were found ({hits / total:.0%}, 95 % "
        f"interval {low:.0%} to {high:.0%}); most others were taken for \u2018{other}\u2019. "
        f"It has {count(images, 'training image')}{few}."
    )


def _labels(evaluation: Evaluation) -> Iterator[str]:
    suspects = evaluation.suspects
    if len(suspects.indices):
        yield (
            f"Look at {count(len(suspects.indices), 'label')} of this split: about "
            f"{suspects.wrong:.0f} are wrong. The gallery shows them."
        )
