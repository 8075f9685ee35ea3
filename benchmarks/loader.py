"""The training loader against a bare loop that only reads and decodes, in images/s.

    python benchmarks/loader.py [DATASET] [rounds]

DATASET is a folder that `clsctl dataset check` accepts; without one, 400 photos of 500 x 375 pixels
are made up. Runs A B A B ... in one go and prints medians and ratios: the machine may be noisy.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from clsctl.datasets.layouts.detect import read_dataset
from clsctl.datasets.samples import Sample
from clsctl.images.read import read_pixels
from clsctl.loading.augment import AugmentConfig, train_transform
from clsctl.loading.cache import Read, open_reader
from clsctl.loading.loader import Loader
from clsctl.system.cpu import available_cores
from clsctl.values import Preprocessing

COUNT, HEIGHT, WIDTH = 400, 375, 500
TRANSFORM = train_transform(Preprocessing(256, 224), AugmentConfig())


def main() -> None:
    arguments = sys.argv[1:]
    rounds = int(arguments.pop()) if arguments and arguments[-1].isdigit() else 7
    with dataset(arguments) as (root, samples):
        measure(root, samples, rounds)


def measure(root: Path, samples: Sequence[Sample], rounds: int) -> None:
    kept = open_reader("ram", 448, root)
    cores = available_cores()
    ways: dict[str, Callable[[], None]] = {
        "bare cv2 decoding, 1 thread": lambda: decode(root, samples),
        "loader, 1 thread": lambda: load(root, samples, 1),
        f"loader, {cores} threads": lambda: load(root, samples, cores),
        f"loader, {cores} threads, kept in memory": lambda: load(root, samples, cores, kept),
    }
    for run in ways.values():  # fills the caches, the system's too
        run()
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            start = time.perf_counter()
            run()
            speeds[name].append(len(samples) / (time.perf_counter() - start))
    base = statistics.median(next(iter(speeds.values())))
    for name, values in speeds.items():
        median = statistics.median(values)
        print(f"{name:36} {median:7.0f} images/s   {median / base:5.2f}")


def decode(root: Path, samples: Sequence[Sample]) -> None:
    cv2.setNumThreads(0)
    for sample in samples:
        data = (root / sample.path).read_bytes()
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


def load(root: Path, samples: Sequence[Sample], workers: int, read: Read = read_pixels) -> None:
    loader = Loader(
        samples, root, TRANSFORM, batch_size=64, shuffle=True, workers=workers, read=read
    )
    for _ in loader.batches(0):
        pass


@contextmanager
def dataset(arguments: Sequence[str]) -> Iterator[tuple[Path, Sequence[Sample]]]:
    if arguments:
        found = read_dataset(Path(arguments[0]))
        yield found.root, found.splits["train"]
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder), [made_up(Path(folder), number) for number in range(COUNT)]


def made_up(folder: Path, number: int) -> Sample:
    """Smooth colours and some noise: a JPEG of about 60 KB, as photos of that size have."""
    rng = np.random.default_rng(number)
    colours = rng.integers(0, 256, (6, 8, 3), np.uint8)
    smooth = cv2.resize(colours, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    noise = rng.normal(0, 12, smooth.shape)
    name = f"{number}.jpg"
    cv2.imwrite(str(folder / name), np.clip(smooth + noise, 0, 255).astype(np.uint8))
    return Sample(name, 0, name, 0)


if __name__ == "__main__":
    main()
