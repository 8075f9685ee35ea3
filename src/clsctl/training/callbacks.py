"""The train callbacks of a run, each kept from spoiling it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from clsctl.plugin.registry import default_registry

if TYPE_CHECKING:
    pass


def load_observers(run: Path) -> list[Display]:
    """Every train callback, told where to write."""
    registry = default_registry()
    observers: list[Display] = []
    for name, found in registry.contributions("train_callbacks").items():
        load = functools.partial(found.item.load, run)
        ours = registry.origins[found.plugin] == "built-in"
        observers.append(load() if ours else Guarded(name, load, registry.report))
    return observers


class Guarded:
    """A stranger's callback: the first time that it fails is a warning, and the last."""

    def __init__(
        self, name: str, load: Callable[[], object], report: Callable[[str], None]
    ) -> None:
        self._name, self._report = name, report
        self._callback = self._try(load)

    def epoch_started(self, epoch: int, batches: int) -> None:
        self._tell("epoch_started", epoch, batches)

    def step(self, info: StepInfo) -> None:
        self._tell("step", info)

    def epoch_ended(self, info: EpochInfo) -> None:
        self._tell("epoch_ended", info)

    def close(self) -> None:
        self._tell("close")

    def _tell(self, method: str, *arguments: object) -> None:
        if self._callback is not None:
            self._try(functools.partial(getattr(self._callback, method), *arguments))

    def _try(self, call: Callable[[], object]) -> Display | None:
        try:
            return cast("Display", call())
        except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything
            self._callback = None
            self._report(f"train callback '{self._name}' failed: {error}")
            return None


@dataclass(frozen=True, slots=True)
class StepInfo:
    """A step that was made.

    Attributes:
        epoch: From 1.
        batch: From 1, of the epoch.
        loss: Of the training images of this step.
        images_per_s: Since the epoch began or went on.
        eta_s: Seconds until the end of training at this pace.
    """

    epoch: int
    batch: int
    loss: float
    learning_rate: float
    images_per_s: float
    eta_s: float


@dataclass(frozen=True, slots=True)
class EpochInfo:
    """An epoch that was trained and evaluated.

    Attributes:
        epoch: From 1; 0 is the network before its first step, where that can classify already.
        train_loss: Mean over its training images; None for epoch 0.
        top1: Share of the validation images whose class came first, 0 to 1.
        top5: Share of them whose class was among the first five, 0 to 1.
        best: The best top-1 so far, this epoch included.
        seconds: What it took.
    """

    epoch: int
    train_loss: float | None
    top1: float
    top5: float
    best: float
    seconds: float


class Display(Protocol):
    """Is told how training goes, in this order; train callbacks are displays too.

    An epoch 0 only ends.
    """

    def epoch_started(self, epoch: int, batches: int) -> None:
        """An epoch, from 1, begins or goes on; it has that many steps in all."""

    def step(self, info: StepInfo) -> None: ...

    def epoch_ended(self, info: EpochInfo) -> None: ...

    def close(self) -> None:
        """Nothing more comes, whether training finished or not."""


class CallbackList:
    """Tells several displays, one after the other."""

    def __init__(self, displays: Sequence[Display]) -> None:
        self._displays = displays

    def epoch_started(self, epoch: int, batches: int) -> None:
        for display in self._displays:
            display.epoch_started(epoch, batches)

    def step(self, info: StepInfo) -> None:
        for display in self._displays:
            display.step(info)

    def epoch_ended(self, info: EpochInfo) -> None:
        for display in self._displays:
            display.epoch_ended(info)

    def close(self) -> None:
        for display in self._displays:
            display.close()
