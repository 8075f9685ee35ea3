"""Write scalars for TensorBoard, where it is installed, into the run's folder `tensorboard`."""

from __future__ import annotations

import importlib
import importlib.util
import time
from pathlib import Path
from typing import Any

from clsctl.plugin import Callback, EpochInfo, StepInfo, TrainCallback, hookimpl

FOLDER = "tensorboard"


@hookimpl
def clsctl_train_callbacks() -> list[TrainCallback]:
    if importlib.util.find_spec("tensorboard") is None:
        return []
    return [TrainCallback("tensorboard", f"{FOLDER}/: scalars for TensorBoard.", Scalars)]


class Scalars(Callback):
    """Scalars by step, counted over all epochs."""

    def __init__(self, run_dir: Path) -> None:
        writers = importlib.import_module("tensorboard.summary.writer.event_file_writer")
        self._events = importlib.import_module("tensorboard.compat.proto.event_pb2")
        self._summaries = importlib.import_module("tensorboard.compat.proto.summary_pb2")
        self._writer = writers.EventFileWriter(str(run_dir / FOLDER))
        self._batches, self._started = 1, False

    def epoch_started(self, epoch: int, batches: int) -> None:
        self._batches = batches

    def step(self, info: StepInfo) -> None:
        step = (info.epoch - 1) * self._batches + info.batch
        figures = {"loss": info.loss, "images_per_s": info.images_per_s}
        self._add(step, {**figures, "learning_rate": info.learning_rate})

    def epoch_ended(self, info: EpochInfo) -> None:
        self._add(info.epoch * self._batches, info.figures())

    def close(self) -> None:
        self._writer.close()

    def _add(self, step: int, figures: dict[str, float]) -> None:
        if not self._started:  # TensorBoard then forgets what an interrupted run wrote from here on
            self._started = True
            start = self._events.SessionLog(status=self._events.SessionLog.START)
            self._write(step, session_log=start)
        value = self._summaries.Summary.Value
        values = [value(tag=tag, simple_value=figure) for tag, figure in figures.items()]
        self._write(step, summary=self._summaries.Summary(value=values))

    def _write(self, step: int, **content: Any) -> None:
        event = self._events.Event(wall_time=time.time(), step=step, **content)
        self._writer.add_event(event)
