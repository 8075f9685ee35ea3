"""What a dataset is like: samples by class, sizes, colours."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from clsctl.datasets.samples import Dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clsctl.datasets.check.scan import Scan


class Spread(NamedTuple):
    """The least, the middle and the greatest of some values."""

    least: float
    median: float
    greatest: float


@dataclass(frozen=True, slots=True)
class ClassCount:
    """Samples of one class by split, as listed."""

    id: int
    name: str
    samples: dict[str, int]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Figures over a dataset.

    Attributes:
        samples: By split.
        classes: By id.
        imbalance: Training samples of the largest class, as a multiple of those of the smallest
            that has any; None without training samples.
        images: Different files that were looked at.
        unreadable: How many of them could not be read.
        width: In pixels; None where no image could be read. So are the next two.
        height: In pixels.
        aspect_ratio: The long side as a multiple of the short one.
        rotated: Images that EXIF data turn or mirror.
        modes: Images by colour mode, as Pillow names them.
        mean: Per channel, RGB, after scaling to 0..1; None after a fast check.
        std: Likewise, the standard deviation.
        near_pairs: Pairs of near-duplicates, in all splits; None after a fast check.
    """

    samples: dict[str, int]
    classes: tuple[ClassCount, ...]
    imbalance: float | None
    images: int
    unreadable: int
    width: Spread | None
    height: Spread | None
    aspect_ratio: Spread | None
    rotated: int
    modes: dict[str, int]
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    near_pairs: int | None


def measure(dataset: Dataset, scan: Scan, near_pairs: int | None) -> Statistics:
    """The figures over a dataset of which every image was looked at."""
    classes = count_classes(dataset)
    sizes = scan.sizes[scan.sizes.min(axis=1) > 0]
    return Statistics(
        samples={split: len(samples) for split, samples in dataset.splits.items()},
        classes=classes,
        imbalance=_imbalance(classes),
        images=len(scan.modes),
        unreadable=len(scan.errors),
        width=_spread(sizes[:, 0]),
        height=_spread(sizes[:, 1]),
        aspect_ratio=_spread(sizes.max(axis=1) / sizes.min(axis=1)) if len(sizes) else None,
        rotated=int(scan.rotated.sum()),
        modes=dict(Counter(mode for mode in scan.modes if mode).most_common()),
        mean=scan.mean,
        std=scan.std,
        near_pairs=near_pairs,
    )


def count_classes(dataset: Dataset) -> tuple[ClassCount, ...]:
    """Samples by class and split, classes without samples included."""
    found = Counter((split, sample.label) for split, sample in dataset.samples())
    return tuple(
        ClassCount(class_id, name, {split: found[split, class_id] for split in dataset.splits})
        for class_id, name in sorted(dataset.class_names.items())
    )


def _imbalance(classes: tuple[ClassCount, ...]) -> float | None:
    sizes = [size for one in classes if (size := one.samples.get("train", 0))]
    return max(sizes) / min(sizes) if sizes else None


def _spread(values: NDArray[Any]) -> Spread | None:
    import numpy as np

    if not len(values):
        return None
    least, median, greatest = np.quantile(values, (0, 0.5, 1)).round(3).tolist()
    return Spread(least, median, greatest)
