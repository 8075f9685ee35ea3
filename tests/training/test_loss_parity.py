"""clsctl's loop against one that is written down here with Paddle alone, as PaddleClas trains."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_training import MODEL, write_dataset

import clsctl
from clsctl.schema.layers import ConfigSource
from clsctl.training.config.recipes import configure
from clsctl.training.setup import prepare

EPOCHS, BATCH, CLASSES = 3, 6, 3
# So small a network is chaotic: a changed bit of a weight is a tenth of the loss, steps later.
RATE, DECAY = 1e-3, 1e-2
SETTINGS = {
    "pretrained": False,
    "epochs": EPOCHS,
    "batch_size": BATCH,
    "accelerate": "off",
    "data.image_size": 64,
    "optimizer.learning_rate": RATE,
    "optimizer.weight_decay": DECAY,
    "schedule.warmup_epochs": 1,
}


def stock_losses(data: Path, run_dir: Path) -> list[float]:
    """Momentum, L2 as a regulariser, a cosine after a linear warm-up, smoothed labels."""
    import paddle
    from paddle.nn import functional as F

    paddle.device.set_device("cpu")
    values = {"model": MODEL, "data.path": str(data), "output": str(run_dir), **SETTINGS}
    job = prepare(configure([ConfigSource("test", values)]).config)
    network = clsctl.build(MODEL, num_classes=CLASSES, seed=0)
    steps = len(job.train)
    cosine = paddle.optimizer.lr.CosineAnnealingDecay(RATE, T_max=(EPOCHS - 1) * steps)
    schedule = paddle.optimizer.lr.LinearWarmup(cosine, steps, start_lr=0.0, end_lr=RATE)
    optimizer = paddle.optimizer.Momentum(
        learning_rate=schedule,
        momentum=0.9,
        parameters=network.parameters(),
        weight_decay=paddle.regularizer.L2Decay(DECAY),
    )
    network.train()
    losses = []
    for epoch in range(EPOCHS):
        for batch in job.train.batches(epoch):
            wanted = F.label_smooth(F.one_hot(paddle.to_tensor(batch.labels), CLASSES), epsilon=0.1)
            logits = network(paddle.to_tensor(batch.images))
            loss = F.cross_entropy(logits, wanted, soft_label=True)
            loss.backward()
            optimizer.step()
            optimizer.clear_grad()
            schedule.step()
            losses.append(float(loss))
    return losses


def test_the_losses_are_those_of_a_stock_paddle_loop(tmp_path: Path):
    data = write_dataset(tmp_path / "data")
    clsctl.train(MODEL, data, tmp_path / "run", device="cpu", **SETTINGS)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    ours = [record["loss"] for record in records if "batch" in record]
    stock = stock_losses(data, tmp_path / "other")
    assert len(ours) == len(stock) == EPOCHS * 4
    assert ours[:4] == pytest.approx(stock[:4], abs=2e-6)
