"""Harder versions of a dataset, to see what training makes of them.

    python benchmarks/hard_sets.py FOLDER DATASET ... [--kinds few,wrong30] [--seed 0]

Each becomes a folder of lists (label.txt, train.txt, val.txt) whose `val` is the dataset's own:

- few: 20 training images a class.
- wrong1, wrong30: 1 % and 30 % of the training labels are of another class.
- tail: a class has as many training images as the rule of 1 : 50 leaves it, the first most.
- grey: all images without colour, blurred, and with noise.
- many: six classes of each, upright, turned by a quarter and by a half, and the negatives of these;
  10 training images a class.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from clsctl.datasets.layouts.detect import read_valid_dataset
from clsctl.datasets.samples import Dataset, Sample

Pairs = list[tuple[Path, int]]
"""Images, and the class of each."""

FEW, FEWER, TAIL = 20, 10, 50
LOOKS = 6
BLUR, NOISE = 2.0, 12.0
"""Deviations of the blur in pixels, and of the noise in grey levels."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("datasets", type=Path, nargs="+")
    parser.add_argument("--kinds", default=",".join([*KINDS, "grey", "many"]))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for path in options.datasets:
        for kind in options.kinds.split(","):
            print(make_harder(path, kind, options.folder, options.seed))


def make_harder(path: Path, kind: str, folder: Path, seed: int) -> Path:
    """Write one harder version of a dataset, and return its folder."""
    dataset = read_valid_dataset(path)
    train, val = (pairs(dataset, dataset.splits[name]) for name in ("train", "val"))
    made = folder / f"{path.name}-{kind}"
    made.mkdir(parents=True, exist_ok=True)
    rng, names = np.random.default_rng(seed), dict(dataset.class_names)
    if kind == "grey":
        train, val = (greyed(part, made / "images", seed) for part in (train, val))
    elif kind == "many":
        train, val = (looking(part, made / "images", len(names), rng) for part in (train, val))
        train = keep(train, lambda label: FEWER, rng)
        names = {
            look * len(names) + label: f"{name}-{look}"
            for look in range(LOOKS)
            for label, name in names.items()
        }
    else:
        train = KINDS[kind](train, rng)
    write_lists(made, {"train": train, "val": val}, names)
    return made


def pairs(dataset: Dataset, samples: Iterable[Sample]) -> Pairs:
    return [((dataset.root / one.path).resolve(), one.label) for one in samples]


def write_lists(folder: Path, splits: Mapping[str, Pairs], names: Mapping[int, str]) -> None:
    for name, samples in splits.items():
        lines = (f"{path} {label}\n" for path, label in samples)
        (folder / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
    lines = (f"{label} {name}\n" for label, name in sorted(names.items()))
    (folder / "label.txt").write_text("".join(lines), encoding="utf-8")


def keep(samples: Pairs, most: Callable[[int], int], rng: np.random.Generator) -> Pairs:
    """Draw as many samples of each class as it may have."""
    kept: Pairs = []
    for label in sorted({label for _, label in samples}):
        ours = [sample for sample in samples if sample[1] == label]
        kept += [ours[place] for place in rng.permutation(len(ours))[: most(label)]]
    return kept


def few(samples: Pairs, rng: np.random.Generator) -> Pairs:
    return keep(samples, lambda label: FEW, rng)


def tail(samples: Pairs, rng: np.random.Generator) -> Pairs:
    counts = np.bincount([label for _, label in samples])
    last = len(counts) - 1
    return keep(samples, lambda label: round(counts[0] * TAIL ** (-label / last)), rng)


def wrong(share: float) -> Callable[[Pairs, np.random.Generator], Pairs]:
    def mislabel(samples: Pairs, rng: np.random.Generator) -> Pairs:
        classes = max(label for _, label in samples) + 1
        chosen = rng.permutation(len(samples))[: round(share * len(samples))]
        off = dict(zip(chosen.tolist(), rng.integers(1, classes, len(chosen)), strict=True))
        return [
            (path, int(label + off.get(place, 0)) % classes)
            for place, (path, label) in enumerate(samples)
        ]

    return mislabel


def greyed(samples: Pairs, folder: Path, seed: int) -> Pairs:
    """Write the images without colour, blurred and noisy."""
    made, rng = [], np.random.default_rng(seed)
    for path, label in samples:
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert grey is not None, path
        noisy = cv2.GaussianBlur(grey, (0, 0), BLUR) + rng.normal(0, NOISE, grey.shape)
        made.append((write(noisy.clip(0, 255).astype(np.uint8), folder, path), label))
    return made


def looking(samples: Pairs, folder: Path, classes: int, rng: np.random.Generator) -> Pairs:
    """Write each image in one of six looks, by chance, each of which is a class of its own."""
    made = []
    for path, label in samples:
        image, look = cv2.imread(str(path)), int(rng.integers(LOOKS))
        assert image is not None, path
        turned = np.rot90(image, look % 3)
        negative = 255 - turned if look >= 3 else turned
        made.append((write(negative, folder, path), look * classes + label))
    return made


def write(image: NDArray[np.uint8], folder: Path, source: Path) -> Path:
    folder.mkdir(exist_ok=True)
    target = folder / f"{source.parent.name}-{source.stem}.png"
    cv2.imwrite(str(target), image)
    return target


KINDS: dict[str, Callable[[Pairs, np.random.Generator], Pairs]] = {
    "few": few,
    "wrong1": wrong(0.01),
    "wrong30": wrong(0.3),
    "tail": tail,
}


if __name__ == "__main__":
    sys.exit(main())
