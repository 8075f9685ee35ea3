"""What fitting a temperature takes: Newton's method in blocks, and halving on all scores at once.

    python benchmarks/temperature.py [--images 20000] [--classes 1000] [--repeats 3]

Each in turn in a process of its own, on drawn scores. Printed are the temperature, the seconds of
processor time and the peak of the memory beside what was there before.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from clsctl.evaluation.calibration import fit_temperature
from clsctl.inference.temperature import COLDEST, HOTTEST, log_probabilities
from clsctl.result import softmax

HALVINGS = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=20000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    size = options.images, options.classes
    found: dict[str, list[tuple[float, float, float]]] = {"blocks": [], "all at once": []}
    for _ in range(options.repeats):
        for way, runs in found.items():
            with get_context("spawn").Pool(1) as pool:
                runs.append(pool.apply(measure, (way, *size)))
    for way, runs in found.items():
        temperature, seconds, megabytes = map(statistics.median, zip(*runs, strict=True))
        print(f"{way:12} T {temperature:.6f}  {seconds:6.2f} s  {megabytes:6.0f} MB")


def measure(way: str, images: int, classes: int) -> tuple[float, float, float]:
    """Return the temperature, seconds of processor time, and MB."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, images)
    # In place, so that the peak before is that of the scores.
    scores = rng.standard_normal((images, classes), dtype=np.float32)
    scores *= 2
    scores[np.arange(images), labels] += 5
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    before, began = peak(), time.process_time()
    temperature = (fit_temperature if way == "blocks" else halve)(scores, labels)
    return temperature, time.process_time() - began, (peak() - before) / 1e6


def peak() -> int:
    """Return the most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def halve(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    logits = log_probabilities(scores)
    own = logits[np.arange(len(labels)), labels].sum()
    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        expected = (softmax(logits * middle) * logits).sum()
        low, high = (middle, high) if own > expected else (low, middle)
    return float(2 / (low + high))


if __name__ == "__main__":
    sys.exit(main())
