"""Measure a dataset: samples and bytes by class, sizes and colours of its images.

`clsctl dataset stats` counts what the lists name; `clsctl dataset check` looks into every image
and measures more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clsctl.datasets.layouts.detect import read_dataset
from clsctl.datasets.printing import print_notes
from clsctl.datasets.samples import Dataset, Layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clsctl.datasets.check.scan import Scan


class Summary(NamedTuple):
    """The least, the middle and the greatest of some values."""

    least: float
    median: float
    greatest: float


@dataclass(frozen=True, slots=True)
class ClassCount:
    """Samples of one class.

    Attributes:
        id: As in the lists.
        name: Empty where the dataset names no class of that id.
        samples: Lines by split, as listed.
    """

    id: int
    name: str
    samples: dict[str, int]

    @property
    def total(self) -> int:
        """Samples in all splits."""
        return sum(self.samples.values())


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
    width: Summary | None
    height: Summary | None
    aspect_ratio: Summary | None
    rotated: int
    modes: dict[str, int]
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    near_pairs: int | None


def measure(dataset: Dataset, scan: Scan, near_pairs: int | None) -> Statistics:
    """Compute the figures over a dataset of which every image was looked at."""
    classes = tuple(one for one in count_classes(dataset) if one.id in dataset.class_names)
    sizes = scan.sizes[scan.sizes.min(axis=1) > 0]
    return Statistics(
        samples={split: len(samples) for split, samples in dataset.splits.items()},
        classes=classes,
        imbalance=_imbalance(classes),
        images=len(scan.modes),
        unreadable=len(scan.errors),
        width=_summary(sizes[:, 0]),
        height=_summary(sizes[:, 1]),
        aspect_ratio=_summary(sizes.max(axis=1) / sizes.min(axis=1)) if len(sizes) else None,
        rotated=int(scan.rotated.sum()),
        modes=dict(Counter(mode for mode in scan.modes if mode).most_common()),
        mean=scan.mean,
        std=scan.std,
        near_pairs=near_pairs,
    )


def count_classes(dataset: Dataset) -> tuple[ClassCount, ...]:
    """Count samples by class and split, classes without samples or without a name included."""
    found = Counter((split, sample.label) for split, sample in dataset.samples())
    names = dataset.class_names
    return tuple(
        ClassCount(label, names.get(label, ""), {s: found[s, label] for s in dataset.splits})
        for label in sorted({*names, *(label for _, label in found)})
    )


@dataclass(frozen=True, slots=True)
class Counts:
    """How large a dataset is.

    Attributes:
        root: Its folder.
        splits: The splits that it has.
        classes: By id.
        sizes: Bytes of the image files, by class id.
        missing: How many samples have no file.
        problems: How many problems the lists have.
    """

    root: Path
    layout: Layout
    splits: tuple[str, ...]
    classes: tuple[ClassCount, ...]
    sizes: Mapping[int, int]
    missing: int
    problems: int


def count_samples(path: Path | str, layout: Layout | None = None) -> Counts:
    """Count the samples and bytes of a dataset in any layout; no image is opened.

    Raises:
        DataError: There is no dataset (see `read_dataset`).
    """
    dataset = read_dataset(Path(path), layout)
    print_notes(dataset)
    sizes: Counter[int] = Counter()
    missing = 0
    for _, sample in dataset.samples():
        size = _file_size(dataset.image_path(sample))
        sizes[sample.label] += size or 0
        missing += size is None
    return Counts(
        dataset.root,
        dataset.layout,
        tuple(dataset.splits),
        count_classes(dataset),
        sizes,
        missing,
        len(dataset.problems),
    )


def _file_size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return None


def describe(found: Statistics) -> Iterator[tuple[str, str]]:
    """Put the statistics into words: name and text, one line each."""
    yield "Samples", ", ".join(f"{number:,} {split}" for split, number in found.samples.items())
    yield "Classes", f"{len(found.classes):,}"
    if found.imbalance is not None:
        yield "Largest to smallest class", f"{found.imbalance:.1f} times the training samples"
    for name, summary in (("Width", found.width), ("Height", found.height)):
        if summary is not None:
            low, middle, high = summary
            yield name, f"{low:g} to {high:g} pixels, median {middle:g}"
    if found.aspect_ratio is not None:
        low, middle, high = found.aspect_ratio
        yield "Long to short side", f"{low:.2f} to {high:.2f}, median {middle:.2f}"
    yield "Colour modes", ", ".join(f"{n:,} {mode}" for mode, n in found.modes.items()) or "-"
    yield "Turned by EXIF data", f"{found.rotated:,}"
    if found.mean is not None and found.std is not None:
        yield "Mean (R, G, B)", ", ".join(f"{value:.3f}" for value in found.mean)
        yield "Standard deviation", ", ".join(f"{value:.3f}" for value in found.std)
    if found.near_pairs is not None:
        yield "Pairs of near-duplicates", f"{found.near_pairs:,}"


def _imbalance(classes: tuple[ClassCount, ...]) -> float | None:
    sizes = [size for one in classes if (size := one.samples.get("train", 0))]
    return max(sizes) / min(sizes) if sizes else None


def _summary(values: NDArray[Any]) -> Summary | None:
    import numpy as np

    if not len(values):
        return None
    least, median, greatest = np.quantile(values, (0, 0.5, 1)).round(3).tolist()
    return Summary(least, median, greatest)
