"""Make small datasets of real image files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

Lines = Sequence[tuple[str, int]]


def picture(seed, width=256, height=240):
    """uint8 [height, width, 3]: soft colours and edges, another picture for every seed."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (9, 12, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


def write_image(path, pixels, *options):
    """Encode by the path's suffix; folders are made, names may hold any character."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded, data = cv2.imencode(path.suffix, pixels, list(options))
    assert encoded
    path.write_bytes(data.tobytes())


def write_lists(root, class_names: Sequence[str], splits: Mapping[str, Lines]):
    """label.txt and a list for each split."""
    root.mkdir(parents=True, exist_ok=True)
    names = "".join(f"{number} {name}\n" for number, name in enumerate(class_names))
    (root / "label.txt").write_text(names, encoding="utf-8")
    for split, lines in splits.items():
        text = "".join(f"{path} {label}\n" for path, label in lines)
        (root / f"{split}.txt").write_text(text, encoding="utf-8")


def clean(root: Path, classes=("cat", "dog"), train=3, val=1) -> Path:
    """A dataset in the layout of lists in which nothing is wrong: `images/cat_0.jpg` ..."""
    splits: dict[str, list[tuple[str, int]]] = {"train": [], "val": []}
    for label, name in enumerate(classes):
        for number in range(train + val):
            path = f"images/{name}_{number}.jpg"
            write_image(root / path, picture(1000 * label + number))
            splits["train" if number < train else "val"].append((path, label))
    write_lists(root, classes, splits)
    return root


def folders(root: Path, tree: Mapping[str, int]) -> Path:
    """Class folders, by path below the root, of so many images each: `{"train/cat": 3}`."""
    seed = 0
    for folder, count in tree.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            write_image(root / folder / f"{number}.jpg", picture(seed))
            seed += 1
    return root


def append(path: Path, text: str) -> int:
    """Add a line to a list; returns its number."""
    before = path.read_text(encoding="utf-8")
    path.write_text(f"{before}{text}\n", encoding="utf-8")
    return before.count("\n") + 1
