"""The train callbacks of a run: loaded, kept from spoiling it, and told together."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from clsctl.plugin.registry import default_registry
from clsctl.plugin.train_callbacks import Callback, EpochInfo, StepInfo


def load_callbacks(run_dir: Path) -> list[Callback]:
    """Load the callback of every plugin, told where to write."""
    registry = default_registry()
    callbacks: list[Callback] = []
    for name, found in registry.contributions("train_callbacks").items():
        load = functools.partial(found.item.load, run_dir)
        ours = registry.origins[found.plugin] == "built-in"
        callbacks.append(load() if ours else SafeCallback(name, load, registry.report))
    return callbacks


class SafeCallback(Callback):
    """A third-party callback: the first time that it fails is a warning, and the last."""

    def __init__(self, name: str, load: Callable[[], Any], report: Callable[[str], None]) -> None:
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
            self._try(lambda: getattr(self._callback, method)(*arguments))

    def _try(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - third-party code may raise anything
            self._callback = None
            self._report(f"train callback '{self._name}' failed: {error}")
            return None


class CallbackList(Callback):
    """Tells several callbacks, one after the other."""

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self._callbacks = callbacks

    def epoch_started(self, epoch: int, batches: int) -> None:
        for callback in self._callbacks:
            callback.epoch_started(epoch, batches)

    def step(self, info: StepInfo) -> None:
        for callback in self._callbacks:
            callback.step(info)

    def epoch_ended(self, info: EpochInfo) -> None:
        for callback in self._callbacks:
            callback.epoch_ended(info)

    def close(self) -> None:
        for callback in self._callbacks:
            callback.close()
