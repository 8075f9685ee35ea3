"""results.csv: one row an epoch, for spreadsheets."""

from __future__ import annotations

import math
from dataclasses import astuple, fields
from pathlib import Path

from clsctl.plugin import TrainCallback, hookimpl
from clsctl.training.callbacks import EpochInfo, StepInfo
from clsctl.training.resumable_log import Key, Records

FILE = "results.csv"
HEADER = ",".join(field.name for field in fields(EpochInfo))


@hookimpl
def clsctl_train_callbacks() -> list[TrainCallback]:
    return [TrainCallback("csv", f"{FILE}: one row an epoch.", CsvRows)]


class CsvRows:
    def __init__(self, run: Path) -> None:
        self._records = Records(run / FILE, _key, HEADER)

    def epoch_started(self, epoch: int, batches: int) -> None:
        pass

    def step(self, info: StepInfo) -> None:
        pass

    def epoch_ended(self, info: EpochInfo) -> None:
        cells = ("" if value is None else str(value) for value in astuple(info))
        self._records.append((info.epoch, math.inf), ",".join(cells))

    def close(self) -> None:
        pass


def _key(line: str) -> Key:
    return int(line.split(",")[0]), math.inf
