"""Classes of very different size: what follows from the validation images, or helps on request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from clsctl.datasets.check.rules import IMBALANCE
from clsctl.datasets.samples import Sample
from clsctl.training.config.recipes import Decision
from clsctl.training.job import TrainJob

KEY = "loss.logit_adjustment"

ALIKE = 2.0
"""Classes are alike whose largest is at most so many times the smallest."""

FEWEST = 5
"""Validation images of a class; fewer say little about how often it is expected."""


class Extremes(NamedTuple):
    """The largest and the smallest class of a split: their ids and how many images they have."""

    large: int
    most: int
    small: int
    least: int

    @property
    def ratio(self) -> float:
        return self.most / self.least


def extremes(samples: Sequence[Sample], classes: int) -> Extremes | None:
    """Find them, unless a class has no image at all."""
    counts = Counter(sample.label for sample in samples).most_common()
    if len(counts) < classes:
        return None
    return Extremes(*counts[0], *counts[-1])


def balancing(job: TrainJob) -> Decision | None:
    """Make up for a long tail where the validation images have all classes alike.

    What is asked for is then not what the training images say of how frequent classes are.
    """
    if _is_balanced(job):
        return None
    train, val = (extremes(job.dataset.splits[name], len(job.labels)) for name in ("train", "val"))
    if train is None or val is None:
        return None
    if train.ratio < IMBALANCE or val.ratio > ALIKE or val.least < FEWEST:
        return None
    why = f"the validation images have all classes alike, the training images 1 : {train.ratio:.0f}"
    return Decision(KEY, 1, why)


def judging(job: TrainJob) -> Decision | None:
    """Judge epochs as the classes count in training: each the same, where that is asked for.

    By top-1 nothing that is learnt of rare classes pays for what the others lose to it. They have
    few validation images, of which the likelihood has less noise than the accuracy.
    """
    data, loss = job.config.data, job.config.loss
    keys = {"data.balanced": data.balanced, "loss.balanced": loss.balanced}
    keys[KEY] = bool(loss.logit_adjustment)
    for key, is_set in keys.items():
        if is_set:
            return Decision("best_by", "balanced_loss", f"{key} lets all classes count alike")
    return None


def advice(job: TrainJob) -> str | None:
    """Say what helps the small classes of a long tail, where nothing is done for them."""
    if _is_balanced(job) or job.config.loss.logit_adjustment:
        return None
    train = extremes(job.dataset.splits["train"], len(job.labels))
    if train is None or train.ratio < IMBALANCE:
        return None
    return (
        f"'{job.labels[train.large]}' has {train.most} images and '{job.labels[train.small]}' "
        f"{train.least}: if all classes are to count the same, try --set {KEY}=1"
    )


def _is_balanced(job: TrainJob) -> bool:
    return job.config.data.balanced or job.config.loss.balanced
