"""`--lr auto`: a learning-rate range test (Smith 2015, arXiv:1506.01186).

On a state of its own, which is then thrown away, the rate grows by the same factor from step to
step until the loss has clearly risen. A tenth of the rate at which it had is the run's peak rate.
"""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from clsctl.console.messages import note
from clsctl.console.progress import count_bar
from clsctl.errors import Interrupted
from clsctl.system.files import open_output
from clsctl.training.build import build_teacher
from clsctl.training.job import TrainJob
from clsctl.training.state import TrainState, new_state
from clsctl.training.step import LossIsNan, make_step, step_batches, train_mode

if TYPE_CHECKING:
    from clsctl.loading.loader import Batch

LOWEST, HIGHEST = 1e-6, 10.0
FEWEST_STEPS, MOST_STEPS = 30, 100
"""An epoch's steps, but not fewer or more than these."""

SMOOTHING = 0.8
RISEN = 1.5
"""Times its lowest value so far: then the smoothed loss has clearly risen."""

SAFETY = 10
FILE = "lr_range"


class Point(NamedTuple):
    """One step of the test; `smoothed` is a running mean of the losses."""

    learning_rate: float
    loss: float
    smoothed: float


def find_learning_rate(job: TrainJob) -> float:
    """Find the peak learning rate of a run by a range test, within `paddle_for(job)`.

    The points are left in the run's folder, as lr_range.csv and lr_range.png.

    Raises:
        Interrupted: `job.stop` was set.
    """
    points = list(range_test(job))
    highest = points[-1].learning_rate
    rate = highest / SAFETY
    if job.group.is_rank_zero:
        _write(points, rate, job.run_dir)
        unrisen = math.isclose(highest, HIGHEST)
        risen = "the highest of" if unrisen else "where the loss had risen after"
        note(
            f"learning rate {rate:.3g}: a tenth of {highest:.3g}, {risen} {len(points)} steps of a "
            f"range test; see {job.run_dir / FILE}.csv"
        )
    return rate


def range_test(job: TrainJob) -> Iterator[Point]:
    """Train a new state at growing rates, until its loss has risen.

    Raises:
        Interrupted: `job.stop` was set.
    """
    count = min(max(job.steps_per_epoch, FEWEST_STEPS), MOST_STEPS)
    factor = (HIGHEST / LOWEST) ** (1 / (count - 1))
    teacher = build_teacher(job)
    state = new_state(job)
    train_mode(job, state.network)
    mean, lowest = 0.0, float("inf")
    with count_bar("Learning-rate range test", "steps") as show:
        for number, batches in enumerate(itertools.islice(_batches(job, state), count)):
            rate = LOWEST * factor**number
            try:
                loss = make_step(job, state, teacher, batches, rate)
            except LossIsNan:
                yield Point(rate, float("nan"), float("nan"))
                return
            mean += (1 - SMOOTHING) * (loss - mean)
            smoothed = mean / (1 - SMOOTHING ** (number + 1))
            yield Point(rate, loss, smoothed)
            lowest = min(lowest, smoothed)
            if smoothed > RISEN * lowest:
                return
            show(number + 1, count)
            if any(job.group.all_reduce([job.stop.is_set()])):
                raise Interrupted("stopped in the range test; nothing was begun")


def _batches(job: TrainJob, state: TrainState) -> Iterator[list[Batch]]:
    """Epoch after epoch."""
    progress = state.progress
    while True:
        yield from step_batches(job, progress)
        progress.epoch, progress.step = progress.epoch + 1, 0


def _write(points: Sequence[Point], rate: float, folder: Path) -> None:
    from clsctl.training.reporting.plots import plot_rate_range

    with open_output(folder / f"{FILE}.csv") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(Point._fields)
        writer.writerows(points)
    rates, losses, smoothed = zip(*points, strict=True)
    plot_rate_range(rates, losses, smoothed, rate, folder / f"{FILE}.png")
