"""curves.png: loss, accuracy and learning rate, drawn when training ends or is interrupted."""

from __future__ import annotations

import json
from pathlib import Path

from clsctl.builtin.train_callbacks import jsonl
from clsctl.console.messages import note
from clsctl.errors import ClsctlError
from clsctl.paths import exists
from clsctl.plugin import Callback, EpochInfo, StepInfo, TrainCallback, hookimpl

FILE = "curves.png"


@hookimpl
def clsctl_train_callbacks() -> list[TrainCallback]:
    return [TrainCallback("curves", f"{FILE}: loss, accuracy and learning rate.", Curves)]


class Curves(Callback):
    """Draws what metrics.jsonl holds, which also knows what came before an interruption."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir

    def close(self) -> None:
        from clsctl.training.reporting.plots import plot_training_curves

        metrics = self._run_dir / jsonl.FILE
        if not exists(metrics):  # that callback is switched off
            return
        records = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
        steps = [StepInfo(**record) for record in records if "batch" in record]
        epochs = [EpochInfo(**record) for record in records if "batch" not in record]
        if not epochs:  # nothing to see yet
            return
        try:
            plot_training_curves(steps, epochs, self._run_dir / FILE)
        except ClsctlError as error:
            # A picture is a help; what was trained is worth more.
            note(f"no {FILE}: {error.message}; {error.hint}".rstrip("; "))
