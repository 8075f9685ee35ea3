"""Write scalars for VisualDL, where it is installed, into the run's folder `vdl`."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

from clsctl.plugin import Callback, EpochInfo, StepInfo, TrainCallback, hookimpl

FOLDER = "vdl"


@hookimpl
def clsctl_train_callbacks() -> list[TrainCallback]:
    if importlib.util.find_spec("visualdl") is None:
        return []
    return [TrainCallback("visualdl", f"{FOLDER}/: scalars for VisualDL.", Scalars)]


class Scalars(Callback):
    """Scalars by step, counted over all epochs."""

    def __init__(self, run_dir: Path) -> None:
        self._writer = importlib.import_module("visualdl").LogWriter(logdir=str(run_dir / FOLDER))
        self._batches = 1

    def epoch_started(self, epoch: int, batches: int) -> None:
        self._batches = batches

    def step(self, info: StepInfo) -> None:
        step = (info.epoch - 1) * self._batches + info.batch
        for tag in ("loss", "images_per_s", "learning_rate"):
            self._writer.add_scalar(tag, getattr(info, tag), step)

    def epoch_ended(self, info: EpochInfo) -> None:
        for tag, figure in info.figures().items():
            self._writer.add_scalar(tag, figure, info.epoch * self._batches)

    def close(self) -> None:
        self._writer.close()
