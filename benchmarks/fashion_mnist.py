"""Fashion-MNIST from scratch, by the recipe of docs/how-to/train-from-scratch.md.

    python benchmarks/fashion_mnist.py FOLDER [option of clsctl train ...]

Needs Debian's package dataset-fashion-mnist (60,000 grey pictures of 28 x 28 pixels to train with,
10,000 to validate with). FOLDER gets the pictures as PNG files, by class, and the run.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SOURCE = Path("/usr/share/datasets/fashion-mnist")
RECIPE = Path(__file__).with_name("fashion_mnist.toml")
SPLITS = {"train": "train", "val": "t10k"}
NAMES = (
    "T-shirt",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def main() -> None:
    folder, options = Path(sys.argv[1]), sys.argv[2:]
    dataset = folder / "fashion-mnist"
    if not dataset.exists():
        write_dataset(dataset)
    clsctl = [sys.executable, "-m", "clsctl"]
    run = ["--config", RECIPE, "-d", dataset, "-o", folder / "run", *options]
    subprocess.run([*clsctl, "train", *run], check=True)
    subprocess.run([*clsctl, "eval", "--weights", folder / "run", "-d", dataset], check=True)


def write_dataset(dataset: Path) -> None:
    """One folder a split, in it one folder a class."""
    for split, prefix in SPLITS.items():
        images, labels = read_idx(f"{prefix}-images-idx3"), read_idx(f"{prefix}-labels-idx1")
        for name in NAMES:
            (dataset / split / name).mkdir(parents=True)
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            cv2.imwrite(str(dataset / split / NAMES[label] / f"{number:05}.png"), image)


def read_idx(name: str) -> NDArray[np.uint8]:
    """An array in the IDX format: magic number, dimensions, bytes."""
    content = gzip.decompress((SOURCE / f"{name}-ubyte.gz").read_bytes())
    dimensions = content[3]
    shape = np.frombuffer(content, ">i4", dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


if __name__ == "__main__":
    main()
