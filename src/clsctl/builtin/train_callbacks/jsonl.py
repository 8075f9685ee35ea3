"""metrics.jsonl: every step and every epoch, one JSON object a line."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path

from clsctl.plugin import TrainCallback, hookimpl
from clsctl.training.callbacks import EpochInfo, StepInfo
from clsctl.training.resumable_log import Key, Records

FILE = "metrics.jsonl"


@hookimpl
def clsctl_train_callbacks() -> list[TrainCallback]:
    return [TrainCallback("jsonl", f"{FILE}: every step and every epoch.", JsonLines)]


class JsonLines:
    def __init__(self, run: Path) -> None:
        self._records = Records(run / FILE, _key)

    def epoch_started(self, epoch: int, batches: int) -> None:
        pass

    def step(self, info: StepInfo) -> None:
        self._records.append((info.epoch, info.batch), json.dumps(asdict(info)))

    def epoch_ended(self, info: EpochInfo) -> None:
        self._records.append((info.epoch, math.inf), json.dumps(asdict(info)))

    def close(self) -> None:
        pass


def _key(line: str) -> Key:
    record = json.loads(line)
    return record["epoch"], record.get("batch", math.inf)
