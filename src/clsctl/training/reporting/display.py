"""Show how training goes, on the terminal and in train.log.

On a terminal the step under way is one live line below a table of epochs; elsewhere, and in
train.log, there are lines with a time.
"""

from __future__ import annotations

import functools
import logging
import math
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.console.messages import says, status
from clsctl.plugin.train_callbacks import Callback, EpochInfo, StepInfo
from clsctl.training.reporting.callbacks import CallbackList, load_callbacks

if TYPE_CHECKING:
    from clsctl.console.tables import Text

LINES_AN_EPOCH, LINE_S = 10, 10.0
"""Of the steps of an epoch at most about so many are logged, one in so many seconds."""


def open_display(log: Path, epochs: int) -> Callback:
    """Show a run on the terminal or as lines, in its train.log, and to every train callback.

    Args:
        log: train.log in the run's folder, where callbacks write too; lines are added at its end.
        epochs: How many there will be in all.
    """
    live = sys.stderr.isatty() and says(logging.INFO)
    terminal = LiveDisplay(epochs) if live else LineDisplay(status, epochs)
    lines = LineDisplay(functools.partial(append_line, log), epochs)
    return CallbackList([terminal, lines, *load_callbacks(log.parent)])


def append_line(log: Path, line: str) -> None:
    """Add a line at the end of a file."""
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"{line}\n")


class LineDisplay(Callback):
    """A line with the time for some of the steps, and one for each epoch."""

    def __init__(self, write: Callable[[str], object], epochs: int) -> None:
        self._write, self._epochs, self._batches = write, epochs, 1
        self._step_logged = -math.inf

    def epoch_started(self, epoch: int, batches: int) -> None:
        self._batches = batches

    def step(self, info: StepInfo) -> None:
        now = time.monotonic()
        tenth = info.batch % max(self._batches // LINES_AN_EPOCH, 1) == 0
        if tenth and now - self._step_logged >= LINE_S:
            self._step_logged = now
            place = f"epoch {info.epoch}/{self._epochs}  step {info.batch}/{self._batches}"
            self._say(f"{place}  {_figures(info)}")

    def epoch_ended(self, info: EpochInfo) -> None:
        loss = "before training" if info.train_loss is None else f"loss {info.train_loss:.4f}"
        calibrated = _loss(" (calibrated {:.4f})", info.calibrated_loss)
        shares = {**_shares(info), "best": info.best}
        figures = "".join(f"{name} {figure:.2%}  " for name, figure in shares.items())
        self._say(
            f"epoch {info.epoch}/{self._epochs}  {loss}  validation loss {info.val_loss:.4f}"
            f"{calibrated}  {figures}{duration(info.seconds)}"
        )

    def _say(self, text: str) -> None:
        self._write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}")


class LiveDisplay(Callback):
    """A table that grows by a row an epoch and, below it, the step under way."""

    def __init__(self, epochs: int) -> None:
        from rich.live import Live

        from clsctl.console.tables import open_console

        self._area = Live(console=open_console(sys.stderr), transient=True)
        self._epochs, self._batches, self._rows = epochs, 1, 0

    def epoch_started(self, epoch: int, batches: int) -> None:
        self._batches = batches
        self._show(epoch, 0, "waiting for the first images")
        self._area.start()

    def step(self, info: StepInfo) -> None:
        figures = _figures(info) if info.batch < self._batches else "evaluating"
        self._show(info.epoch, info.batch, figures)

    def epoch_ended(self, info: EpochInfo) -> None:
        if self._rows == 0:
            self._area.console.print(_header(info), style="bold")
        self._rows += 1
        self._area.console.print(_row(info, self._epochs))

    def close(self) -> None:
        self._area.stop()

    def _show(self, epoch: int, done: int, figures: str) -> None:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        line = Table.grid(padding=(0, 2, 0, 0), expand=True)
        line.add_column(no_wrap=True)
        line.add_column(ratio=1)
        line.add_column(no_wrap=True)
        bar = ProgressBar(self._batches, done)
        line.add_row(f"epoch {epoch}/{self._epochs}", bar, f"{done}/{self._batches}")
        self._area.update(Group(line, figures))


def _header(info: EpochInfo) -> str:
    return "  ".join(f"{name:>{_width(name)}}" for name in _cells(info, 0))


def _row(info: EpochInfo, epochs: int) -> Text:
    from clsctl.console.tables import Text

    row = "  ".join(f"{cell:>{_width(name)}}" for name, cell in _cells(info, epochs).items())
    return Text.assemble(row, ("  new best" if info.epoch == info.best_epoch else "", "green"))


def _width(name: str) -> int:
    return max(len(name), len("100.00%"))


def _cells(info: EpochInfo, epochs: int) -> dict[str, str]:
    """What the table says of an epoch, by column; where classes count alike, their loss decides."""
    losses = {"loss": info.train_loss, "val loss": info.val_loss}
    if info.balanced_accuracy is None:
        losses["calibrated"] = info.calibrated_loss
    return {
        "epoch": f"{info.epoch}/{epochs}",
        **{name: _loss("{:.4f}", loss) for name, loss in losses.items()},
        **{name: f"{share:.2%}" for name, share in _shares(info).items()},
        "time": duration(info.seconds),
    }


def _shares(info: EpochInfo) -> dict[str, float]:
    """Name what is known of the validation images' shares."""
    shares = {"top-1": info.top1, "top-5": info.top5, "balanced": info.balanced_accuracy}
    return {name: share for name, share in shares.items() if share is not None}


def _loss(form: str, loss: float | None) -> str:
    return "" if loss is None else form.format(loss)


def _figures(info: StepInfo) -> str:
    return (
        f"loss {info.loss:.4f}  learning rate {info.learning_rate:.3g}  "
        f"{info.images_per_s:.1f} images/s  {duration(info.eta_s)} left"
    )


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, as in 0:04:20."""
    return str(timedelta(seconds=round(seconds)))
