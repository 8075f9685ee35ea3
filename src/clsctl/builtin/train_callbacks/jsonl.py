"""metrics.jsonl: every step and every epoch, one JSON object a line."""

from __future__ import annotations

import json
import math
from pathlib import Path

from clsctl.plugin import Callback, EpochInfo, StepInfo, TrainCallback, hookimpl
from clsctl.training.reporting.resumable_log import Key, ResumableLog

FILE = "metrics.jsonl"


@hookimpl
def clsctl_train_callbacks() -> list[TrainCallback]:
    return [TrainCallback("jsonl", f"{FILE}: every step and every epoch.", JsonLines)]


class JsonLines(Callback):
    def __init__(self, run_dir: Path) -> None:
        self._log = ResumableLog(run_dir / FILE, _key)

    def step(self, info: StepInfo) -> None:
        self._log.append((info.epoch, info.batch), json.dumps(info._asdict()))

    def epoch_ended(self, info: EpochInfo) -> None:
        self._log.append((info.epoch, math.inf), json.dumps(info._asdict()))


def _key(line: str) -> Key:
    record = json.loads(line)
    return record["epoch"], record.get("batch", math.inf)
