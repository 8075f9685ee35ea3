"""One step of training: forward, loss, backward, the optimizer.

Processes that train together each take their part of every batch and add up their gradients, each
image with the same weight.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import TYPE_CHECKING

from clsctl.inference.devices import get_device
from clsctl.training.distributed.process_group import sync_batch_norm
from clsctl.training.images.growing import sized_loader
from clsctl.training.job import TrainJob
from clsctl.training.optimization.amp import scaler_state
from clsctl.training.optimization.losses import classification_loss, distillation_loss
from clsctl.training.run_dir.checkpoint import TrainProgress
from clsctl.training.start.statistics import batch_norms
from clsctl.training.state import TrainState

if TYPE_CHECKING:
    from paddle import Tensor

    from clsctl.loading.loader import Batch
    from clsctl.networks.base import Network
    from clsctl.training.build import Teacher


class LossIsNan(Exception):
    """A loss was no number."""


def train_mode(job: TrainJob, network: Network) -> None:
    """Put a network into training mode; frozen statistics stay as they are.

    The fitted classifier relies on batch normalisation's running statistics. Those of the batches
    would make another network of it in the first step, and few images cannot mend that.
    """
    network.train()
    if job.config.batch_norm == "frozen":
        for layer in batch_norms(network):
            layer.eval()


def step_batches(job: TrainJob, progress: TrainProgress) -> Iterator[list[Batch]]:
    """Yield the batches of each step that is left in the epoch."""
    size = job.config.optimizer.accumulate
    epoch = sized_loader(job, progress.epoch).batches(progress.epoch, progress.step * size)
    for _ in range(progress.step, job.steps_per_epoch):
        yield list(islice(epoch, size))


def make_step(
    job: TrainJob, state: TrainState, teacher: Teacher | None, batches: list[Batch], rate: float
) -> float:
    """Make one step of the optimizer; returns its loss, the mean over the images.

    Raises:
        LossIsNan: It is no number; nothing was changed.
    """
    import numpy as np
    import paddle

    progress, seed = state.progress, job.config.seed
    key = np.random.SeedSequence((seed, progress.epoch, progress.step, job.group.rank.number))
    paddle.seed(int(key.generate_state(1)[0]))
    state.optimizer.set_lr(rate)
    images = sum(batch.whole for batch in batches)
    loss_sum = 0.0
    for place, batch in enumerate(batches):
        if not len(batch.labels):
            continue
        number = progress.step * job.config.optimizer.accumulate + place
        loss = _loss(job, state.network, teacher, batch, number, progress.epoch)
        state.scaler.scale(loss * (len(batch.labels) / images)).backward()
        loss_sum += float(loss) * len(batch.labels)
    (loss_sum,) = job.group.all_reduce([loss_sum])
    if not math.isfinite(loss_sum):
        raise LossIsNan
    job.group.all_reduce_gradients(state.network)
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.optimizer.clear_grad()
    progress.loss_scale = scaler_state(state.scaler)
    if state.ema:
        state.ema.update()
        progress.ema_steps += 1
    progress.step += 1
    progress.loss_sum += loss_sum
    progress.images += images
    return loss_sum / images


def _loss(
    job: TrainJob, network: Network, teacher: Teacher | None, batch: Batch, number: int, epoch: int
) -> Tensor:
    import paddle

    options, distill = job.config.loss, job.config.distill
    mixed = job.mixer(batch, epoch, number * job.group.rank.size + job.group.rank.number)
    images, targets = paddle.to_tensor(mixed.images), paddle.to_tensor(mixed.targets)
    spread = options.label_smoothing
    targets = targets * (1 - spread) + spread / len(job.labels)
    weights, adjustment = (
        None if values is None else paddle.to_tensor(values)
        for values in (job.class_weights, job.logit_adjustment)
    )
    amp = paddle.amp.auto_cast(job.config.amp != "off", level="O1")
    with amp, job.accelerate(network), _statistics(job, network, batch):
        logits = network(images).astype("float32")
    loss = classification_loss(logits, targets, options.focal_gamma, weights, adjustment)
    if teacher is None:
        return loss
    learnt = distillation_loss(logits, teacher(images), distill.temperature)
    return loss * (1 - distill.share) + learnt * distill.share


def _statistics(job: TrainJob, network: Network, batch: Batch) -> AbstractContextManager[None]:
    """Let batch normalisation see a batch as a whole, where the device can; else in parts."""
    size = job.group.rank.size
    all_take_part = batch.whole >= size * min(2, job.config.batch_size)
    if size > 1 and all_take_part and get_device(job.device).sync_batch_norm:
        return sync_batch_norm(network)
    return nullcontext()
