"""The train callbacks of a run, each kept from spoiling it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import cast

from clsctl.plugins import default_registry
from clsctl.training.display import Display, EpochInfo, StepInfo


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
