"""The training loop: steps, evaluation after each epoch, checkpoints, and resuming from them.

A run is a function of its configuration alone: order and augmentation are keyed by (seed, epoch,
index), and the generator of dropout and stochastic depth is seeded before each step. So a run that
is resumed from a checkpoint gives the weights, bit for bit, that it would have given anyway.

Of processes that train together, each keeps batch normalisation's running statistics of its own
while training, where nothing reads them; to evaluate and to save, rank 0's count.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

from clsctl.errors import Interrupted
from clsctl.plugin.train_callbacks import Callback, EpochInfo, StepInfo
from clsctl.training.build import build_teacher
from clsctl.training.images.growing import whole_epochs
from clsctl.training.job import TrainJob
from clsctl.training.optimization.schedule import learning_rate
from clsctl.training.run_dir import checkpoint
from clsctl.training.run_dir.checkpoint import TrainProgress
from clsctl.training.setback import WentBack, check_setback, has_given_up, marks
from clsctl.training.state import TrainState, open_state, roll_back, save_best, save_latest
from clsctl.training.step import LossIsNan, make_step, step_batches, train_mode
from clsctl.training.time_limit import out_of_time
from clsctl.training.validation import Validation, validate

if TYPE_CHECKING:
    from clsctl.training.build import Teacher


def fit(job: TrainJob, peak: float, callback: Callback) -> TrainProgress:
    """Train from the latest checkpoint, or from the beginning, to the end.

    Within `paddle_for(job)`.

    Args:
        job: What to train on.
        peak: The learning rate after warm-up.
        callback: Is told how it goes.

    Raises:
        TrainingFailed: The loss is no number, and `on_nan` says to stop (`E_LOSS_NAN`).
        Interrupted: `job.stop` was set; what was learnt is saved.
        ModelError: A checkpoint could not be written (`E_DISK_FULL`).
    """
    import paddle

    while True:
        try:
            # Optimizer states are found again by names that Paddle numbers from 0 in here.
            with paddle.utils.unique_name.guard():
                return _fit(job, peak, callback)
        except LossIsNan:
            roll_back(job)
        except WentBack:
            continue


def _fit(job: TrainJob, peak: float, callback: Callback) -> TrainProgress:
    teacher = build_teacher(job)
    state = open_state(job)
    if job.starts_fitted and not (state.progress.history or state.progress.step):
        _measure_start(job, state, callback)
    while not _finished(job, state):
        started = time.monotonic()
        _train_epoch(job, state, teacher, peak, callback)
        _end_epoch(job, state, callback, started)
    return state.progress


def _finished(job: TrainJob, state: TrainState) -> bool:
    progress, patience = state.progress, job.config.patience
    tired = bool(patience) and progress.epoch - progress.best_epoch >= patience
    if progress.epoch >= job.config.epochs or tired or has_given_up(job, progress):
        return True
    return bool(progress.history) and out_of_time(job, state.closing)


def _measure_start(job: TrainJob, state: TrainState, callback: Callback) -> None:
    """A network that can classify from the start is the result, until training improves on it."""
    progress, started = state.progress, time.monotonic()
    found = validate(job, state.network)
    progress.start_right = marks(found.right)
    progress.note({"epoch": progress.epoch, **found.figures()}, job.config.best_by)
    save_best(job, state, found)
    save_latest(job, state)
    state.closing = time.monotonic() - started
    callback.epoch_ended(_epoch_info(progress, started))


# ---- an epoch ----------------------------------------------------------------------------------


def _train_epoch(
    job: TrainJob, state: TrainState, teacher: Teacher | None, peak: float, callback: Callback
) -> None:
    config, progress = job.config, state.progress
    callback.epoch_started(progress.epoch + 1, job.steps_per_epoch)
    train_mode(job, state.network)
    started, images_before = time.monotonic(), progress.images
    for batches in step_batches(job, progress):
        done = progress.epoch * job.steps_per_epoch + progress.step
        rate = peak * progress.rate_factor
        rate = learning_rate(done, job.steps_per_epoch, config.epochs, rate, config.schedule)
        loss = make_step(job, state, teacher, batches, rate)
        speed = (progress.images - images_before) / max(time.monotonic() - started, 1e-9)
        left = _images_left(job, progress)
        callback.step(
            StepInfo(progress.epoch + 1, progress.step, loss, rate, speed, max(left, 0) / speed)
        )
        _save_between(job, state)
        if out_of_time(job, state.closing):
            break


def _images_left(job: TrainJob, progress: TrainProgress) -> float:
    """Those of the run that are still to come, in images of this epoch's size."""
    from_now, later = (whole_epochs(job, progress.epoch + n) for n in (0, 1))
    return job.images_per_epoch * from_now / (from_now - later) - progress.images


def _end_epoch(job: TrainJob, state: TrainState, callback: Callback, started: float) -> None:
    """Evaluate, keep what is best, and make the checkpoints of an epoch's end."""
    progress, ended = state.progress, time.monotonic()
    with state.ema.applied() if state.ema else nullcontext():
        found = validate(job, state.network)
        _close_epoch(job, progress, found)
        if progress.best_epoch == progress.epoch:
            save_best(job, state, found)
    save_every = job.config.checkpoint.save_every
    if save_every and progress.epoch % save_every == 0:
        job.group.on_rank_zero(lambda: _keep_epoch(job, state))
    callback.epoch_ended(_epoch_info(progress, started))
    check_setback(job, progress, found.right)
    save_latest(job, state)
    state.closing = time.monotonic() - ended


def _epoch_info(progress: TrainProgress, started: float) -> EpochInfo:
    figures = progress.history[-1]
    return EpochInfo(
        epoch=progress.epoch,
        train_loss=figures.get("train_loss"),
        val_loss=figures["val_loss"],
        top1=figures["top1"],
        top5=figures.get("top5"),
        best=progress.best,
        seconds=time.monotonic() - started,
        balanced_accuracy=figures.get("balanced_accuracy"),
        best_epoch=progress.best_epoch,
        calibrated_loss=figures.get("calibrated_loss"),
    )


def _keep_epoch(job: TrainJob, state: TrainState) -> None:
    progress = state.progress
    checkpoint.write(job.run_dir, f"epoch_{progress.epoch}", state.tensors(), progress)
    checkpoint.rotate(job.run_dir, job.config.checkpoint.keep)


def _close_epoch(job: TrainJob, progress: TrainProgress, found: Validation) -> None:
    """Count an epoch as done."""
    progress.epoch += 1
    loss = progress.loss_sum / progress.images
    figures = {"epoch": progress.epoch, "train_loss": loss, **found.figures()}
    progress.note(figures, job.config.best_by)
    progress.step, progress.loss_sum, progress.images = 0, 0.0, 0


def _save_between(job: TrainJob, state: TrainState) -> None:
    """Save inside an epoch: when it is time, and when the run is asked to stop."""
    minutes = job.config.checkpoint.minutes
    due = minutes and time.monotonic() - state.saved_at > 60 * minutes
    due, stopping = job.group.all_reduce([bool(due) and job.group.is_rank_zero, job.stop.is_set()])
    if due or stopping:
        save_latest(job, state)
    if stopping:
        progress = state.progress
        raise Interrupted(
            f"stopped in epoch {progress.epoch + 1} after step {progress.step}; all is saved",
            hint=f"resume with `clsctl train --resume {job.run_dir}`",
        )
