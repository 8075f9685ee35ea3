"""What a train callback is, and what it is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class StepInfo(NamedTuple):
    """A step that was made.

    Attributes:
        epoch: From 1.
        batch: From 1, of the epoch.
        loss: Of the training images of this step.
        images_per_s: Since the epoch began or was resumed.
        eta_s: Seconds until the end of training at this pace.
    """

    epoch: int
    batch: int
    loss: float
    learning_rate: float
    images_per_s: float
    eta_s: float


class EpochInfo(NamedTuple):
    """An epoch that was trained and evaluated.

    Attributes:
        epoch: From 1; 0 is the network before its first step, where that can classify already.
        train_loss: Mean over its training images; None for epoch 0.
        val_loss: Mean negative log-likelihood of the validation images' classes, in nats.
        top1: Share of the validation images whose class came first, 0 to 1.
        top5: Share of them whose class was among the first five, 0 to 1; None where there are no
            more than five classes.
        best: The top-1 of the best epoch so far, or its balanced accuracy where classes count
            alike.
        seconds: What it took.
        balanced_accuracy: The mean recall of the classes, 0 to 1; None unless these count alike
            (`best_by`).
        best_epoch: The best epoch so far, this one included.
        calibrated_loss: The validation loss, in nats, once a temperature has calibrated the
            network on the same images; the least makes an epoch the best unless `best_by` says
            otherwise.
    """

    epoch: int
    train_loss: float | None
    val_loss: float
    top1: float
    top5: float | None
    best: float
    seconds: float
    balanced_accuracy: float | None = None
    best_epoch: int = 0
    calibrated_loss: float | None = None

    def figures(self) -> dict[str, float]:
        """Return what is known of the validation images, by name."""
        names = ("val_loss", "calibrated_loss", "top1", "top5", "balanced_accuracy")
        found = {name: getattr(self, name) for name in names}
        return {name: figure for name, figure in found.items() if figure is not None}


class Callback:
    """Is told how training goes, in this order; override what is of interest.

    Epoch 0 only ends.
    """

    def epoch_started(self, epoch: int, batches: int) -> None:
        """An epoch, from 1, begins or is resumed; it has that many steps in all."""

    def step(self, info: StepInfo) -> None:
        """A step was made."""

    def epoch_ended(self, info: EpochInfo) -> None:
        """An epoch was trained and evaluated."""

    def close(self) -> None:
        """Nothing more comes, whether training finished or not."""


class TrainCallback(NamedTuple):
    """An observer of training.

    Attributes:
        load: Returns the callback for one run, which may write files into the run's folder.
    """

    name: str
    help: str
    load: Callable[[Path], Callback]
