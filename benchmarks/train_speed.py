"""Training on a processor: a stock Paddle loop against clsctl without and with oneDNN, in images/s.

    python benchmarks/train_speed.py [ROUNDS] [MODEL=BATCH ...]

Each measurement is a process of its own, for the variables that must be there at its start: random
images of 224 x 224, six classes, Momentum, the median step but the first. Runs A B C A B C ... in
one go and prints medians and ratios to the stock loop: the machine may be noisy. Without an
argument, 3 rounds of the models below.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext

MODELS = {
    "PP-LCNet_x1_0": 64,
    "MobileNetV3_small_x1_0": 64,
    "EfficientNet-Lite0": 32,
    "ResNet50": 8,
    "SwinTransformer_tiny_patch4_window7_224": 8,
}
WAYS = ("stock", "off", "on")
STEPS = 6
CHILD = "--child"


def main() -> None:
    arguments = sys.argv[1:]
    if CHILD in arguments:
        _, model, batch, way = arguments
        print(measure(model, int(batch), way))
        return
    rounds = int(arguments.pop(0)) if arguments and arguments[0].isdigit() else 3
    pairs = (argument.split("=") for argument in arguments)
    models = {model: int(batch) for model, batch in pairs} or MODELS
    for model, batch in models.items():
        speeds: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way in WAYS:
                speeds[way].append(in_child(model, batch, way))
        stock, *others = (statistics.median(speeds[way]) for way in WAYS)
        shown = "   ".join(
            f"{way} {speed:6.1f} ({speed / stock:.1f}x)"
            for way, speed in zip(WAYS[1:], others, strict=True)
        )
        print(f"{model:40} batch {batch:3}   stock {stock:6.1f}   {shown}", flush=True)


def in_child(model: str, batch: int, way: str) -> float:
    """Images per second, measured in a process with the variables of that way."""
    from clsctl.training.distributed.environment import variables

    environment = {**os.environ, **(variables() if way != "stock" else {})}
    command = [sys.executable, __file__, CHILD, model, str(batch), way]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def measure(model: str, batch: int, way: str) -> float:
    """Images per second of a plain training loop."""
    import paddle
    from paddle.nn import functional as F

    import clsctl
    from clsctl.onednn.choice import NO_ACCELERATION, choose_acceleration
    from clsctl.training.distributed.environment import threads
    from clsctl.training.paddle_state import transposing_at_once
    from clsctl.values import HOST

    accelerate = NO_ACCELERATION
    if way == "on":
        accelerate = choose_acceleration("on", HOST, threads(1))
    transposing = nullcontext() if way == "stock" else transposing_at_once(HOST)
    network = clsctl.build(model, num_classes=6, seed=0)
    network.train()
    optimizer = paddle.optimizer.Momentum(0.01, parameters=network.parameters())
    images, labels = paddle.rand([batch, 3, 224, 224]), paddle.randint(0, 6, [batch])
    seconds = []
    with accelerate.on_its_threads(), transposing:
        for _ in range(STEPS):
            start = time.perf_counter()
            with accelerate(network):
                logits = network(images)
            F.cross_entropy(logits, labels).backward()
            optimizer.step()
            optimizer.clear_grad()
            seconds.append(time.perf_counter() - start)
    return batch / statistics.median(seconds[1:])


if __name__ == "__main__":
    main()
