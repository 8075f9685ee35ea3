"""Small datasets of real images, in which nothing is wrong until a test breaks something."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from dataset_builders import lists
from numpy.typing import NDArray

HEIGHT, WIDTH = 240, 256


def picture(seed: int, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """uint8 [height, width, 3], BGR: soft colours, another picture for every seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), np.uint8)
    pixels: Any = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return pixels


def save(path: Path, pixels: NDArray[np.uint8], *options: int) -> Path:
    """Encode an image by the path's suffix; the name may hold any character."""
    encoded, data = cv2.imencode(path.suffix, pixels, list(options))
    assert encoded
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.tobytes())
    return path


def clean(root: Path, classes: Iterable[str] = ("cat", "dog"), train: int = 3) -> Path:
    """A dataset of lists: `images/cat/0.jpg` and so on, the last one of each class in val.txt."""
    splits: dict[str, list[tuple[str, int]]] = {"train": [], "val": []}
    for label, name in enumerate(classes):
        for number in range(train + 1):
            path = f"images/{name}/{number}.jpg"
            save(root / path, picture(100 * label + number))
            splits["train" if number < train else "val"].append((path, label))
    return lists(root, classes, images=False, **splits)


def tree(root: Path, counts: Mapping[str, int]) -> Path:
    """Folders of so many images each: `{"train/cat": 3}`."""
    for number, (folder, count) in enumerate(counts.items()):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for image in range(count):
            save(root / folder / f"{image}.jpg", picture(100 * number + image))
    return root


def append(path: Path, text: str) -> int:
    """Add a line to a list; returns its number."""
    before = path.read_text(encoding="utf-8")
    path.write_text(f"{before}{text}\n", encoding="utf-8")
    return before.count("\n") + 1
