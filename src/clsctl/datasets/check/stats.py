"""Count a dataset's samples and bytes by class and split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clsctl.datasets.layouts.detect import read_dataset
from clsctl.datasets.samples import Layout


@dataclass(frozen=True, slots=True)
class ClassStats:
    """How large a class is.

    Attributes:
        id: As in the lists.
        name: Empty where the dataset names no class of that id.
        samples: Lines by split, as listed.
        size: Bytes of the image files.
    """

    id: int
    name: str
    samples: Mapping[str, int]
    size: int

    @property
    def total(self) -> int:
        """Samples in all splits."""
        return sum(self.samples.values())


@dataclass(frozen=True, slots=True)
class Stats:
    """How large a dataset is.

    Attributes:
        root: Its folder.
        splits: The splits that it has.
        classes: By id, those without samples included.
        missing: How many samples have no file.
        problems: How many problems the lists have.
    """

    root: Path
    layout: Layout
    splits: tuple[str, ...]
    classes: tuple[ClassStats, ...]
    missing: int
    problems: int


def dataset_stats(path: Path | str) -> Stats:
    """Count the samples of a dataset in any layout; no image is opened.

    Raises:
        DataError: There is no dataset (see `read_dataset`).
    """
    dataset = read_dataset(Path(path))
    samples: Counter[tuple[str, int]] = Counter()
    size: Counter[int] = Counter()
    missing = 0
    for split, sample in dataset.samples():
        samples[split, sample.label] += 1
        found = _file_size(dataset.image_path(sample))
        size[sample.label] += found or 0
        missing += found is None
    classes = [
        ClassStats(
            label,
            dataset.class_names.get(label, ""),
            {split: samples[split, label] for split in dataset.splits},
            size[label],
        )
        for label in sorted({*dataset.class_names, *(label for _, label in samples)})
    ]
    return Stats(
        dataset.root,
        dataset.layout,
        tuple(dataset.splits),
        tuple(classes),
        missing,
        len(dataset.problems),
    )


def _file_size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return None
