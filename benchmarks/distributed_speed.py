"""Training in two processes against one, each of one thread, in images/s.

    python benchmarks/distributed_speed.py [ROUNDS] [MODEL=BATCH ...]

Each measurement is a run of `clsctl train` on made-up photos with the same global batch, of which
the second epoch counts. Runs A B A B ... in one go and prints medians and ratios: the machine may
be noisy, and has to have two cores to itself.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

MODELS = {"PP-LCNet_x1_0": 32, "MobileNetV3_small_x1_0": 64, "ResNet50": 16}
BATCHES, SIDE = 4, 256
PROCESSES = (1, 2)


def main() -> None:
    arguments = sys.argv[1:]
    rounds = int(arguments.pop(0)) if arguments and arguments[0].isdigit() else 3
    pairs = (argument.split("=") for argument in arguments)
    models = {model: int(batch) for model, batch in pairs} or MODELS
    for model, batch in models.items():
        with tempfile.TemporaryDirectory() as folder:
            compare(model, batch, rounds, Path(folder))


def compare(model: str, batch: int, rounds: int, folder: Path) -> None:
    write_dataset(folder / "data", BATCHES * batch)
    speeds: dict[int, list[float]] = {count: [] for count in PROCESSES}
    for number in range(rounds):
        for count in PROCESSES:
            run = folder / f"{number}_{count}"
            speeds[count].append(measure(model, batch // count, count, folder / "data", run))
    one, two = (statistics.median(speeds[count]) for count in PROCESSES)
    print(
        f"{model:30} batch {batch:3}   1: {one:6.1f}   2: {two:6.1f} ({two / one:.2f}x)", flush=True
    )


def measure(model: str, batch: int, processes: int, data: Path, run_dir: Path) -> float:
    """Images per second in the second epoch."""
    command = [sys.executable, "-m", "clsctl", "train", "-m", model, "-d", str(data)]
    command += [
        "-o",
        str(run_dir),
        "--scratch",
        "--epochs",
        "2",
        "-b",
        str(batch),
        "--device",
        "cpu",
    ]
    command += ["--processes", str(processes), "--set", "data.cache=ram"]
    environment = {**os.environ, "CLSCTL_THREADS": "1"}
    subprocess.run(command, env=environment, capture_output=True, check=True)
    steps = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    return float([step["images_per_s"] for step in steps if "images_per_s" in step][-1])


def write_dataset(root: Path, images: int) -> None:
    """Noise of two classes, of which nothing can be learnt but the time that it takes."""
    rng = np.random.default_rng(0)
    (root / "images").mkdir(parents=True)
    names = [f"images/{number}.jpg" for number in range(images)]
    for name in names:
        cv2.imwrite(str(root / name), rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8))
    lines = [f"{name} {number % 2}\n" for number, name in enumerate(names)]
    (root / "train.txt").write_text("".join(lines))
    (root / "val.txt").write_text("".join(lines[:4]))
    (root / "label.txt").write_text("0 even\n1 odd\n")


if __name__ == "__main__":
    main()
