"""clsctl's loop against one that is written down here with Paddle alone, as PaddleClas trains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import rounding
from paddle.nn import functional as F
from tiny_training import MODEL, write_dataset

import clsctl
from clsctl.networks.param_groups import freeze_until
from clsctl.schema.layers import ConfigSource
from clsctl.training.config.recipes import configure
from clsctl.training.job import TrainJob
from clsctl.training.paddle_state import paddle_for
from clsctl.training.setup import prepare

EPOCHS, BATCH, CLASSES = 2, 6, 3
RATE, DECAY, SMOOTHING = 1e-3, 1.0, 0.1
# All of so small a network is chaotic: a nudge of the weights is a tenth of the loss, steps later.
FREEZE_UNTIL = "stage5"
SETTINGS = {
    "pretrained": False,
    "epochs": EPOCHS,
    "batch_size": BATCH,
    "accelerate": "off",
    "data.image_size": 64,
    "optimizer.learning_rate": RATE,
    "optimizer.weight_decay": DECAY,
    "loss.label_smoothing": SMOOTHING,
    "schedule.warmup_epochs": 1,
    "freeze_until": FREEZE_UNTIL,
}


def stock_losses(
    job: TrainJob,
    rng: np.random.Generator | None = None,
    decay: float = DECAY,
    smoothing: float = SMOOTHING,
) -> np.ndarray:
    """Momentum, L2 as a regulariser, a cosine after a linear warm-up, smoothed labels.

    Args:
        rng: Nudges the weights at the beginning.
    """
    network: Any = clsctl.build(MODEL, num_classes=CLASSES, seed=0)
    freeze_until(network, FREEZE_UNTIL)
    if rng is not None:
        for parameter in network.parameters():
            parameter.set_value(rounding.nudged(parameter.numpy(), rng))
    steps = len(job.train)
    cosine = paddle.optimizer.lr.CosineAnnealingDecay(RATE, T_max=(EPOCHS - 1) * steps)
    schedule = paddle.optimizer.lr.LinearWarmup(cosine, steps, start_lr=0.0, end_lr=RATE)
    optimizer = paddle.optimizer.Momentum(
        learning_rate=schedule,
        momentum=0.9,
        parameters=[p for p in network.parameters() if not p.stop_gradient],
        weight_decay=paddle.regularizer.L2Decay(decay),
    )
    network.train()
    losses = []
    for epoch in range(EPOCHS):
        for batch in job.train.batches(epoch):
            labels = F.one_hot(paddle.to_tensor(batch.labels), CLASSES)
            wanted = F.label_smooth(labels, epsilon=smoothing)
            logits = network(paddle.to_tensor(batch.images))
            loss = F.cross_entropy(logits, wanted, soft_label=True)
            loss.backward()
            optimizer.step()
            optimizer.clear_grad()
            schedule.step()
            losses.append(float(loss))
    return np.array(losses, np.float32)


def test_the_losses_are_those_of_a_stock_paddle_loop(tmp_path: Path):
    """What a wrong recipe does is more than rounding, or the test would tell nothing."""
    data = write_dataset(tmp_path / "data")
    clsctl.train(MODEL, data, tmp_path / "run", device="cpu", **SETTINGS)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    ours = np.array([record["loss"] for record in records if "batch" in record])
    values = {"model": MODEL, "data.path": str(data), "output": str(tmp_path), **SETTINGS}
    job = prepare(configure([ConfigSource("test", values)]).config)
    with paddle_for(job):
        stock = stock_losses(job)
        steps = {f"step {n}": loss for n, loss in enumerate(stock)}
        limits = rounding.allowed(
            steps, lambda rng: dict(zip(steps, stock_losses(job, rng), strict=True))
        )
        # A rounding early on counts for all that comes later.
        allowed = np.maximum.accumulate([*limits.values()])
        others = [stock_losses(job, decay=0), stock_losses(job, smoothing=0)]
    assert len(ours) == len(stock) == EPOCHS * 4
    assert (abs(ours - stock) <= allowed).all()
    for other in others:
        assert (abs(other - stock) > allowed).any()
