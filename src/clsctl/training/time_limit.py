"""Fit a run into the time that the user has."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice, pairwise
from statistics import median
from typing import NamedTuple

from clsctl.errors import UsageError
from clsctl.training.build import build_teacher
from clsctl.training.config.recipes import Decision, decide
from clsctl.training.config.sources import ResolvedConfig
from clsctl.training.images.growing import whole_epochs
from clsctl.training.job import TrainJob
from clsctl.training.reporting.display import duration
from clsctl.training.reporting.eta import FORWARD_SHARE
from clsctl.training.run_dir.checkpoint import LATEST, TrainProgress, read_progress
from clsctl.training.state import new_state
from clsctl.training.step import make_step, step_batches, train_mode

MINUTES = {"s": 1 / 60, "m": 1.0, "h": 60.0, "": 1.0}

FIRST_STEPS, MEASURED_STEPS = 3, 4
"""The first ones, in which memory is got and warms up, take up to half as long again."""

PLANNED = 0.95
"""Of the time that is left; steps are not all alike."""

FITTED = "fitted into the time"


class _Pace(NamedTuple):
    """How fast training is.

    Attributes:
        step: Seconds for a step.
        steps: In an epoch.
        validation: Seconds for evaluating after an epoch.
        decoding: Seconds that the first epoch takes longer, where images are kept.
    """

    step: float
    steps: int
    validation: float
    decoding: float

    @property
    def epoch(self) -> float:
        return self.steps * self.step + self.validation


def parse_minutes(text: str) -> float:
    """Read a time such as `90s`, `10m`, `1.5h`, or `10`, which are minutes.

    Raises:
        UsageError: It is none (`E_USAGE`).
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if match is None or not float(match[1]):
        raise UsageError(
            f"'{text}' is no time to train in", code="E_USAGE", hint="write --time 10m, 90s or 2h"
        )
    return float(match[1]) * MINUTES[match[2]]


def with_deadline(job: TrainJob, began: float) -> TrainJob:
    """The same that has to end in time, of which a run that is resumed has used some.

    Args:
        job: Says how much time there is.
        began: When the run was started or resumed, by `time.monotonic()`.
    """
    if not job.config.time_limit:
        return job
    before = read_progress(job.run_dir, LATEST) or TrainProgress()
    return replace(job, deadline=began + 60 * job.config.time_limit - before.seconds)


def with_epochs(
    job: TrainJob, resolved: ResolvedConfig, say: Callable[[str], object] = lambda text: None
) -> tuple[TrainJob, ResolvedConfig]:
    """The same with the epochs, and steps in each, that fill the time.

    So the learning rate ends with it. They are no more than the configuration has; what the user
    set is left, as is a resumed run.
    """
    if not job.config.time_limit or job.group.broadcast(lambda: _is_begun(job)):
        return job, resolved
    pace = _measure_pace(job)
    # The start is evaluated, too.
    left = job.deadline - time.monotonic() - job.starts_fitted * pace.validation
    left, pace = job.group.broadcast(lambda: (max(left, 0.0), pace))
    planned = PLANNED * left - pace.decoding
    resolved = decide(resolved, Decision("epochs", _fitting_epochs(job, pace, planned), FITTED))
    job = replace(job, config=resolved.config)
    training = planned - job.config.epochs * pace.validation
    steps = int(training / (whole_epochs(job) * pace.step))
    if steps < job.steps_per_epoch:
        resolved = decide(resolved, Decision("steps_per_epoch", max(steps, 1), FITTED))
        job = replace(job, config=resolved.config)
    images, all_images = job.images_per_epoch, len(job.train.samples)
    shortened = f", of {images} of the {all_images} images each" if images < all_images else ""
    say(
        f"time: {duration(left)} are left, an epoch takes about {duration(pace.epoch)}; "
        f"epochs: {job.config.epochs} ({resolved.origins['epochs']}){shortened}"
    )
    return job, resolved


def out_of_time(job: TrainJob, closing: float) -> bool:
    """Whether there is only so much time left as evaluating and saving take.

    Args:
        job: Says when it is over.
        closing: Seconds that evaluating and saving took the last time.
    """
    if not job.config.time_limit:
        return False
    over = job.group.is_rank_zero and time.monotonic() + closing >= job.deadline
    return any(job.group.all_reduce([over]))


def _is_begun(job: TrainJob) -> bool:
    return read_progress(job.run_dir, LATEST) is not None


def _measure_pace(job: TrainJob) -> _Pace:
    first = step = _measure_step(job)
    if job.config.data.cache != "none":
        step = min(_measure_step(job), first)
    images = job.images_per_epoch / job.steps_per_epoch
    validated = FORWARD_SHARE * len(job.dataset.splits["val"]) / images
    steps = job.steps_per_epoch
    return _Pace(step, steps, validated * step, (first - step) * steps)


def _fitting_epochs(job: TrainJob, pace: _Pace, planned: float) -> int:
    """The fewest epochs that would fill so many seconds, or as many as the configuration has."""
    for epochs in range(1, job.config.epochs):
        shorter = replace(job, config=replace(job.config, epochs=epochs))
        training = whole_epochs(shorter) * pace.steps * pace.step
        if training + epochs * pace.validation >= planned:
            return epochs
    return job.config.epochs


def _measure_step(job: TrainJob) -> float:
    """Time some of the first steps of a new state, which is thrown away; returns seconds for each.

    On whole images, as in the last epoch.
    """
    teacher, state = build_teacher(job), new_state(job)
    state.progress.epoch = job.config.epochs - 1
    train_mode(job, state.network)
    marks = []
    for batches in islice(step_batches(job, state.progress), FIRST_STEPS + MEASURED_STEPS):
        make_step(job, state, teacher, batches, 0.0)
        marks.append(time.monotonic())
    steps = [after - before for before, after in pairwise(marks[-1 - MEASURED_STEPS :])]
    return median(steps or [0.0]) or 1.0
