"""Say once, after a few steps, how long the rest of a run will take."""

from __future__ import annotations

from collections.abc import Callable

from clsctl.plugin.train_callbacks import Callback, StepInfo
from clsctl.training.reporting.display import duration

MEASURED_STEPS = 10
"""The expected time is measured on so many steps, or on an epoch that has fewer."""

FORWARD_SHARE = 1 / 3
"""Of a training step's time, what evaluating as many images takes."""


class EtaReporter(Callback):
    """Says after a few steps how long the rest will take.

    Args:
        epochs: How many there will be in all.
        images: How many are evaluated after each.
        say: Is given the sentence.
    """

    def __init__(self, epochs: int, images: int, say: Callable[[str], object]) -> None:
        self._epochs, self._images, self._say = epochs, images, say
        self._steps = self._batches = 0

    def epoch_started(self, epoch: int, batches: int) -> None:
        self._batches = batches

    def step(self, info: StepInfo) -> None:
        self._steps += 1
        if self._steps == MEASURED_STEPS or (
            self._steps < MEASURED_STEPS and info.batch == self._batches
        ):
            self._steps = MEASURED_STEPS
            self._say(
                f"expected time: {duration(self._left(info))}, {info.images_per_s:.1f} images/s"
            )

    def _left(self, info: StepInfo) -> float:
        """Seconds for the steps that are left, and for evaluating after each epoch."""
        images = (self._epochs - info.epoch + 1) * self._images
        return info.eta_s + FORWARD_SHARE * images / info.images_per_s
