"""The same recipe in clsctl and in a bare Paddle loop: losses side by side, and images/s.

    python benchmarks/loss_parity.py DATASET [-m PP-LCNet_x1_0] [--steps 10] [--batch 64]

The bare loop is PaddleClas' recipe by Paddle's own parts: Momentum, L2 as a regulariser, a cosine
after a linear warm-up, smoothed labels. Both start from the same weights and see the same batches.
Curves of training are chaotic: rounding grows, so the first steps are what can be compared.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import paddle
from paddle.nn import functional as F

import clsctl
from clsctl.schema.layers import ConfigSource
from clsctl.training.config.recipes import configure
from clsctl.training.job import TrainJob
from clsctl.training.optimization.schedule import learning_rate, scaled_rate
from clsctl.training.paddle_state import paddle_for
from clsctl.training.setup import prepare
from clsctl.training.state import new_state
from clsctl.training.step import make_step, step_batches

FIRST, LIMIT = 3, 1e-6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("-m", "--model", default="PP-LCNet_x1_0")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--batch", type=int, default=64)
    options = parser.parse_args()
    values = {
        "model": options.model,
        "data.path": str(options.dataset),
        "pretrained": False,
        "batch_size": options.batch,
        "accelerate": "off",
        "device": "cpu",
    }
    job = prepare(configure([ConfigSource("benchmark", values)]).config)
    with paddle_for(job):
        steps = list(itertools.islice(zip(ours(job), stock(job), strict=True), options.steps))
    for number, ((own, _), (bare, _)) in enumerate(steps, start=1):
        print(f"step {number:2}  clsctl {own:.7f}  bare loop {bare:.7f}  {abs(own - bare):.1e}")
    seconds = [sum(step[side][1] for step in steps[1:]) for side in (0, 1)]
    print(f"seconds a step, ratio of clsctl to the bare loop: {seconds[0] / seconds[1]:.3f}")
    worst = max(abs(own - bare) for (own, _), (bare, _) in steps[:FIRST])
    print(f"first {FIRST} steps within {worst:.1e}: {'equal' if worst <= LIMIT else 'DIFFERENT'}")


def ours(job: TrainJob) -> Iterator[tuple[float, float]]:
    """The loss and the seconds of each step of clsctl's loop."""
    config = job.config
    peak = scaled_rate(config.batch_size, config.optimizer)
    state = new_state(job)
    state.network.train()
    for number, group in enumerate(step_batches(job, state.progress)):
        started = time.perf_counter()
        rate = learning_rate(number, job.steps_per_epoch, config.epochs, peak, config.schedule)
        loss = make_step(job, state, None, group, rate)
        yield loss, time.perf_counter() - started


def stock(job: TrainJob) -> Iterator[tuple[float, float]]:
    """The same by Paddle alone."""
    config, classes = job.config, len(job.labels)
    peak = scaled_rate(config.batch_size, config.optimizer)
    warmup = int(config.schedule.warmup_epochs) * job.steps_per_epoch
    rest = config.epochs * job.steps_per_epoch - warmup
    cosine = paddle.optimizer.lr.CosineAnnealingDecay(peak, T_max=rest)
    schedule = paddle.optimizer.lr.LinearWarmup(cosine, warmup, start_lr=0.0, end_lr=peak)
    network = clsctl.build(config.model, classes, seed=config.seed)
    network.train()
    optimizer = paddle.optimizer.Momentum(
        schedule,
        config.optimizer.momentum,
        network.parameters(),
        weight_decay=paddle.regularizer.L2Decay(config.optimizer.weight_decay),
    )
    for number, batch in enumerate(job.train.batches(0)):
        started = time.perf_counter()
        # For dropout, as clsctl seeds each step.
        key = np.random.SeedSequence((config.seed, 0, number, 0))
        paddle.seed(int(key.generate_state(1)[0]))
        labels = F.one_hot(paddle.to_tensor(batch.labels), classes)
        wanted = F.label_smooth(labels, epsilon=config.loss.label_smoothing)
        loss = F.cross_entropy(network(paddle.to_tensor(batch.images)), wanted, soft_label=True)
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        schedule.step()
        yield float(loss), time.perf_counter() - started


if __name__ == "__main__":
    main()
