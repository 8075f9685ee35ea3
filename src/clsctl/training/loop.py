"""The training loop: steps, evaluation after each epoch, checkpoints, and going on from them.

A run is a function of its configuration alone: order and augmentation are keyed by (seed, epoch,
index), and the generator of dropout and stochastic depth is seeded anew before each step. So a
run that goes on from a checkpoint gives the weights, bit for bit, that it would have given anyway.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import islice
from typing import TYPE_CHECKING

from clsctl.errors import Interrupted
from clsctl.metrics import top_k_accuracy
from clsctl.training import checkpoint
from clsctl.training.checkpoint import Position
from clsctl.training.display import Display, EpochInfo, StepInfo
from clsctl.training.learner import Learner, open_learner, roll_back, save_best, save_latest
from clsctl.training.losses import classification_loss, distillation_loss
from clsctl.training.optim import learning_rate
from clsctl.training.setup import Job, build_teacher
from clsctl.training.signals import Stop

if TYPE_CHECKING:
    from paddle import Tensor

    from clsctl.network import Network
    from clsctl.training.loader import Batch


class LossIsNan(Exception):
    """A loss was no number."""


def fit(job: Job, peak: float, display: Display, stop: Stop) -> Position:
    """Train from the latest checkpoint, or from the beginning, to the end.

    Args:
        job: What to train on.
        peak: The learning rate after warm-up.
        display: Is told how it goes.
        stop: Once set, the run is saved and ends.

    Raises:
        TrainingFailed: The loss is no number, and `on_nan` says to stop (`E_LOSS_NAN`).
        Interrupted: `stop` was set.
        ModelError: A checkpoint could not be written (`E_DISK_FULL`).
    """
    import paddle

    warnings.filterwarnings("ignore", message="When training, we now always track global mean")
    paddle.device.set_device(str(job.device))
    while True:
        try:
            # Optimizer states are found again by names that Paddle numbers anew in here.
            with paddle.utils.unique_name.guard():
                return _fit(job, peak, display, stop)
        except LossIsNan:
            roll_back(job)


def _fit(job: Job, peak: float, display: Display, stop: Stop) -> Position:
    teacher = build_teacher(job)
    learner = open_learner(job)
    while not _finished(job, learner.position):
        started = time.monotonic()
        _train_epoch(job, learner, teacher, peak, display, stop)
        _end_epoch(job, learner, display, started)
    return learner.position


def _finished(job: Job, position: Position) -> bool:
    patience = job.config.patience
    tired = patience and position.epoch - position.best_epoch >= patience
    return position.epoch >= job.config.epochs or bool(tired and position.best_epoch)


# ---- an epoch ----------------------------------------------------------------------------------


def _train_epoch(
    job: Job, learner: Learner, teacher: Network | None, peak: float, display: Display, stop: Stop
) -> None:
    config, position = job.config, learner.position
    display.epoch_started(position.epoch + 1, job.steps_per_epoch)
    learner.network.train()
    started, images_before = time.monotonic(), position.images
    for group in _groups(job, position):
        done = position.epoch * job.steps_per_epoch + position.step
        rate = peak * position.rate_factor
        rate = learning_rate(done, job.steps_per_epoch, config.epochs, rate, config.schedule)
        loss = _step(job, learner, teacher, group, rate)
        speed = (position.images - images_before) / max(time.monotonic() - started, 1e-9)
        left = (config.epochs - position.epoch) * len(job.train.samples) - position.images
        display.step(
            StepInfo(position.epoch + 1, position.step, loss, rate, speed, max(left, 0) / speed)
        )
        _save_between(job, learner, stop)


def _groups(job: Job, position: Position) -> Iterator[list[Batch]]:
    """The batches of each step that is left in the epoch."""
    size = job.config.optimizer.accumulate
    batches = job.train.batches(position.epoch, position.step * size)
    while group := list(islice(batches, size)):
        yield group


def _step(
    job: Job, learner: Learner, teacher: Network | None, group: list[Batch], rate: float
) -> float:
    """One step of the optimizer; returns its loss, the mean over the batches."""
    import numpy as np
    import paddle

    position, seed = learner.position, job.config.seed
    key = np.random.SeedSequence((seed, position.epoch, position.step))
    paddle.seed(int(key.generate_state(1)[0]))
    learner.optimizer.set_lr(rate)
    losses = []
    for place, batch in enumerate(group):
        number = position.step * job.config.optimizer.accumulate + place
        loss = _loss(job, learner.network, teacher, batch, number, position.epoch)
        (loss / len(group)).backward()
        losses.append((float(loss), len(batch.labels)))
    if not all(math.isfinite(value) for value, _ in losses):
        raise LossIsNan
    learner.optimizer.step()
    learner.optimizer.clear_grad()
    if learner.ema:
        learner.ema.update()
        position.ema_steps += 1
    position.step += 1
    position.loss_sum += sum(value * count for value, count in losses)
    position.images += sum(count for _, count in losses)
    return sum(value for value, _ in losses) / len(losses)


def _loss(
    job: Job, network: Network, teacher: Network | None, batch: Batch, number: int, epoch: int
) -> Tensor:
    import paddle

    options, distill = job.config.loss, job.config.distill
    mixed = job.mixer(batch, epoch, number)
    images, targets = paddle.to_tensor(mixed.images), paddle.to_tensor(mixed.targets)
    spread = options.label_smoothing
    targets = targets * (1 - spread) + spread / len(job.labels)
    weights = None if job.class_weights is None else paddle.to_tensor(job.class_weights)
    logits = network(images)
    loss = classification_loss(logits, targets, options.focal_gamma, weights)
    if teacher is None:
        return loss
    with paddle.no_grad():
        wanted = teacher(images)
    learnt = distillation_loss(logits, wanted, distill.temperature)
    return loss * (1 - distill.share) + learnt * distill.share


def _end_epoch(job: Job, learner: Learner, display: Display, started: float) -> None:
    """Evaluate, keep what is best, and make the checkpoints of an epoch's end."""
    position = learner.position
    with learner.ema.applied() if learner.ema else nullcontext():
        top1, top5 = _evaluate(job, learner.network)
        _close_epoch(position, top1, top5)
        if position.best_epoch == position.epoch:
            save_best(job, learner)
    save_latest(job, learner)
    options = job.config.checkpoint
    if options.save_every and position.epoch % options.save_every == 0:
        checkpoint.write(job.run, f"epoch_{position.epoch}", learner.tensors(), position)
        checkpoint.rotate(job.run, options.keep)
    loss = position.history[-1]["train_loss"]
    seconds = time.monotonic() - started
    display.epoch_ended(EpochInfo(position.epoch, loss, top1, top5, position.best, seconds))


def _evaluate(job: Job, network: Network) -> tuple[float, float]:
    """Top-1 and top-5 on the validation images, 0 to 1."""
    from clsctl.evaluation import score

    network.eval()
    scores, labels = score(network, job.val)
    top5 = top_k_accuracy(scores, labels, min(5, len(job.labels)))
    return top_k_accuracy(scores, labels, 1), top5


def _close_epoch(position: Position, top1: float, top5: float) -> None:
    """Note the figures of an epoch; of equally good ones the later is the best, as in PaddleX."""
    position.epoch += 1
    figures = {"epoch": position.epoch, "train_loss": position.loss_sum / position.images}
    position.history.append(figures | {"top1": top1, "top5": top5})
    position.step, position.loss_sum, position.images = 0, 0.0, 0
    if top1 >= position.best:
        position.best, position.best_epoch = top1, position.epoch


def _save_between(job: Job, learner: Learner, stop: Stop) -> None:
    """Save inside an epoch: when it is time, and when the run is asked to stop."""
    minutes = job.config.checkpoint.minutes
    due = minutes and time.monotonic() - learner.saved_at > 60 * minutes
    if due or stop.is_set():
        save_latest(job, learner)
    if stop.is_set():
        position = learner.position
        raise Interrupted(
            f"stopped in epoch {position.epoch + 1} after step {position.step}; all is saved",
            hint=f"go on with `clsctl train --resume {job.run}`",
        )
