"""The training loop: steps, evaluation after each epoch, checkpoints, and going on from them.

A run is a function of its configuration alone: order and augmentation are keyed by (seed, epoch,
index), and the generator of dropout and stochastic depth is seeded anew before each step. So a
run that goes on from a checkpoint gives the weights, bit for bit, that it would have given anyway.

Processes that train together each take their part of every batch and add up their gradients, each
image with the same weight. Batch normalisation's running statistics stay their own while training,
where nothing reads them; to evaluate and to save, rank 0's count.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import TYPE_CHECKING

from clsctl.errors import Interrupted
from clsctl.evaluation.metrics import label_ranks
from clsctl.inference.devices import get_device, use_in_paddle
from clsctl.training import checkpoint
from clsctl.training.amp import scaler_state
from clsctl.training.callbacks import Display, EpochInfo, StepInfo
from clsctl.training.checkpoint import Position
from clsctl.training.distributed.process_group import synchronised
from clsctl.training.job import TrainJob
from clsctl.training.losses import classification_loss, distillation_loss
from clsctl.training.optim import learning_rate
from clsctl.training.setup import build_teacher
from clsctl.training.state import Learner, open_learner, roll_back, save_best, save_latest

if TYPE_CHECKING:
    from paddle import Tensor

    from clsctl.loading.loader import Batch
    from clsctl.networks.base import Network


class LossIsNan(Exception):
    """A loss was no number."""


def fit(job: TrainJob, peak: float, display: Display) -> Position:
    """Train from the latest checkpoint, or from the beginning, to the end.

    Args:
        job: What to train on.
        peak: The learning rate after warm-up.
        display: Is told how it goes.

    Raises:
        TrainingFailed: The loss is no number, and `on_nan` says to stop (`E_LOSS_NAN`).
        Interrupted: `job.stop` was set; what was learnt is saved.
        ModelError: A checkpoint could not be written (`E_DISK_FULL`).
    """
    import paddle

    warnings.filterwarnings("ignore", message="When training, we now always track global mean")
    use_in_paddle(job.device)
    while True:
        try:
            # Optimizer states are found again by names that Paddle numbers anew in here.
            with paddle.utils.unique_name.guard():
                return _fit(job, peak, display)
        except LossIsNan:
            roll_back(job)


def _fit(job: TrainJob, peak: float, display: Display) -> Position:
    teacher = build_teacher(job)
    learner = open_learner(job)
    if job.starts_fitted and learner.position == Position():
        _measure_start(job, learner, display)
    while not _finished(job, learner.position):
        started = time.monotonic()
        _train_epoch(job, learner, teacher, peak, display)
        _end_epoch(job, learner, display, started)
    return learner.position


def _finished(job: TrainJob, position: Position) -> bool:
    patience = job.config.patience
    tired = patience and position.epoch - position.best_epoch >= patience
    return position.epoch >= job.config.epochs or bool(tired)


def _measure_start(job: TrainJob, learner: Learner, display: Display) -> None:
    """A network that can classify from the start is the result, until training improves on it."""
    position, started = learner.position, time.monotonic()
    _note_figures(position, {}, *_evaluate(job, learner.network))
    save_best(job, learner)
    save_latest(job, learner)
    (start,) = position.history
    seconds = time.monotonic() - started
    display.epoch_ended(EpochInfo(0, None, start["top1"], start["top5"], position.best, seconds))


# ---- an epoch ----------------------------------------------------------------------------------


def _train_epoch(
    job: TrainJob, learner: Learner, teacher: Network | None, peak: float, display: Display
) -> None:
    config, position = job.config, learner.position
    display.epoch_started(position.epoch + 1, job.steps_per_epoch)
    train_mode(job, learner.network)
    started, images_before = time.monotonic(), position.images
    for group in step_batches(job, position):
        done = position.epoch * job.steps_per_epoch + position.step
        rate = peak * position.rate_factor
        rate = learning_rate(done, job.steps_per_epoch, config.epochs, rate, config.schedule)
        loss = make_step(job, learner, teacher, group, rate)
        speed = (position.images - images_before) / max(time.monotonic() - started, 1e-9)
        left = (config.epochs - position.epoch) * len(job.train.samples) - position.images
        display.step(
            StepInfo(position.epoch + 1, position.step, loss, rate, speed, max(left, 0) / speed)
        )
        _save_between(job, learner)


def train_mode(job: TrainJob, network: Network) -> None:
    """Let a network learn; where there are few images, with the statistics that it came with.

    The fitted classifier relies on batch normalisation's running statistics. Those of the batches
    would make another network of it in the first step, and few images cannot mend that.
    """
    from paddle import nn

    network.train()
    if job.starts_fitted:
        for layer in network.sublayers():
            if isinstance(layer, (nn.BatchNorm1D, nn.BatchNorm2D)):
                layer.eval()


def step_batches(job: TrainJob, position: Position) -> Iterator[list[Batch]]:
    """The batches of each step that is left in the epoch."""
    size = job.config.optimizer.accumulate
    batches = job.train.batches(position.epoch, position.step * size)
    while group := list(islice(batches, size)):
        yield group


def make_step(
    job: TrainJob, learner: Learner, teacher: Network | None, group: list[Batch], rate: float
) -> float:
    """One step of the optimizer; returns its loss, the mean over the images.

    Raises:
        LossIsNan: It is no number; nothing was changed.
    """
    import numpy as np
    import paddle

    position, seed = learner.position, job.config.seed
    key = np.random.SeedSequence((seed, position.epoch, position.step, job.team.rank.number))
    paddle.seed(int(key.generate_state(1)[0]))
    learner.optimizer.set_lr(rate)
    images = sum(batch.whole for batch in group)
    loss_sum = 0.0
    for place, batch in enumerate(group):
        if not len(batch.labels):
            continue
        number = position.step * job.config.optimizer.accumulate + place
        loss = _loss(job, learner.network, teacher, batch, number, position.epoch)
        learner.scaler.scale(loss * (len(batch.labels) / images)).backward()
        loss_sum += float(loss) * len(batch.labels)
    (loss_sum,) = job.team.add([loss_sum])
    if not math.isfinite(loss_sum):
        raise LossIsNan
    job.team.add_gradients(learner.network)
    learner.scaler.step(learner.optimizer)
    learner.scaler.update()
    learner.optimizer.clear_grad()
    position.loss_scale = scaler_state(learner.scaler)
    if learner.ema:
        learner.ema.update()
        position.ema_steps += 1
    position.step += 1
    position.loss_sum += loss_sum
    position.images += images
    return loss_sum / images


def _loss(
    job: TrainJob, network: Network, teacher: Network | None, batch: Batch, number: int, epoch: int
) -> Tensor:
    import paddle

    options, distill = job.config.loss, job.config.distill
    mixed = job.mixer(batch, epoch, number * job.team.rank.size + job.team.rank.number)
    images, targets = paddle.to_tensor(mixed.images), paddle.to_tensor(mixed.targets)
    spread = options.label_smoothing
    targets = targets * (1 - spread) + spread / len(job.labels)
    weights = None if job.class_weights is None else paddle.to_tensor(job.class_weights)
    amp = paddle.amp.auto_cast(job.config.amp != "off", level="O1")
    with amp, job.accelerate(network), _statistics(job, network, batch):
        logits = network(images).astype("float32")
    loss = classification_loss(logits, targets, options.focal_gamma, weights)
    if teacher is None:
        return loss
    with paddle.no_grad(), job.accelerate(teacher):
        wanted = teacher(images)
    learnt = distillation_loss(logits, wanted, distill.temperature)
    return loss * (1 - distill.share) + learnt * distill.share


def _statistics(job: TrainJob, network: Network, batch: Batch) -> AbstractContextManager[None]:
    """How batch normalisation sees a batch: as a whole where the device can, else in parts."""
    size = job.team.rank.size
    everybody = batch.whole >= size * min(2, job.config.batch_size)
    if size > 1 and everybody and get_device(job.device).sync_batch_norm:
        return synchronised(network)
    return nullcontext()


def _end_epoch(job: TrainJob, learner: Learner, display: Display, started: float) -> None:
    """Evaluate, keep what is best, and make the checkpoints of an epoch's end."""
    position = learner.position
    with learner.ema.applied() if learner.ema else nullcontext():
        top1, top5 = _evaluate(job, learner.network)
        _close_epoch(position, top1, top5)
        if position.best_epoch == position.epoch:
            save_best(job, learner)
    save_every = job.config.checkpoint.save_every
    if save_every and position.epoch % save_every == 0:
        job.team.lead(lambda: _keep_epoch(job, learner))
    save_latest(job, learner)
    loss = position.history[-1]["train_loss"]
    seconds = time.monotonic() - started
    display.epoch_ended(EpochInfo(position.epoch, loss, top1, top5, position.best, seconds))


def _keep_epoch(job: TrainJob, learner: Learner) -> None:
    position = learner.position
    checkpoint.write(job.run, f"epoch_{position.epoch}", learner.tensors(), position)
    checkpoint.rotate(job.run, job.config.checkpoint.keep)


def _evaluate(job: TrainJob, network: Network) -> tuple[float, float]:
    """Top-1 and top-5 on the validation images, 0 to 1; each process evaluates its part."""
    from clsctl.evaluation.evaluate import score

    network.eval()
    job.team.copy_first(network)
    with job.team.patience(), job.accelerate(network):
        ranks = label_ranks(*score(network, job.val)).tolist() if job.val.samples else []
    hits = (sum(rank < k for rank in ranks) for k in (1, 5))
    top1, top5, images = job.team.add([*hits, len(ranks)])
    return top1 / images, top5 / images


def _close_epoch(position: Position, top1: float, top5: float) -> None:
    """Count an epoch as done."""
    position.epoch += 1
    _note_figures(position, {"train_loss": position.loss_sum / position.images}, top1, top5)
    position.step, position.loss_sum, position.images = 0, 0.0, 0


def _note_figures(position: Position, loss: dict[str, float], top1: float, top5: float) -> None:
    """Note the figures of an epoch; of equally good ones the later is the best, as in PaddleX."""
    position.history.append({"epoch": position.epoch, **loss, "top1": top1, "top5": top5})
    if top1 >= position.best:
        position.best, position.best_epoch = top1, position.epoch


def _save_between(job: TrainJob, learner: Learner) -> None:
    """Save inside an epoch: when it is time, and when the run is asked to stop."""
    minutes = job.config.checkpoint.minutes
    due = minutes and time.monotonic() - learner.saved_at > 60 * minutes
    due, stopping = job.team.add([bool(due) and job.team.first, job.stop.is_set()])
    if due or stopping:
        save_latest(job, learner)
    if stopping:
        position = learner.position
        raise Interrupted(
            f"stopped in epoch {position.epoch + 1} after step {position.step}; all is saved",
            hint=f"go on with `clsctl train --resume {job.run}`",
        )
