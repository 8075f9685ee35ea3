"""results.csv: one row an epoch, for spreadsheets."""

from __future__ import annotations

import math
from pathlib import Path

from clsctl.plugin import Callback, EpochInfo, TrainCallback, hookimpl
from clsctl.training.reporting.resumable_log import Key, ResumableLog

FILE = "results.csv"
HEADER = ",".join(EpochInfo._fields)


@hookimpl
def clsctl_train_callbacks() -> list[TrainCallback]:
    return [TrainCallback("csv", f"{FILE}: one row an epoch.", CsvRows)]


class CsvRows(Callback):
    def __init__(self, run_dir: Path) -> None:
        self._log = ResumableLog(run_dir / FILE, _key, HEADER)

    def epoch_ended(self, info: EpochInfo) -> None:
        cells = ("" if value is None else str(value) for value in info)
        self._log.append((info.epoch, math.inf), ",".join(cells))


def _key(line: str) -> Key:
    return int(line.split(",")[0]), math.inf
