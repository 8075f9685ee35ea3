"""Count a dataset's samples and bytes by class and split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clsctl.datasets.layout import read_dataset
from clsctl.datasets.samples import Dataset, Layout, Sample


@dataclass(frozen=True, slots=True)
class Stats:
    """How large a dataset is.

    Attributes:
        root: Its folder.
        class_names: Names by class id, those without samples included.
        samples: Samples by class id, by split, as listed.
        size: Bytes of image files by class id, by split.
        missing: How many samples have no file.
        problems: How many problems the lists have.
    """

    root: Path
    layout: Layout
    class_names: Mapping[int, str]
    samples: Mapping[str, Counter[int]]
    size: Mapping[str, Counter[int]]
    missing: int
    problems: int


def dataset_stats(path: Path | str) -> Stats:
    """Count the samples of a dataset in any layout; no image is opened.

    Raises:
        DataError: There is no dataset (see `read_dataset`).
    """
    dataset = read_dataset(Path(path))
    samples = {split: Counter(s.label for s in items) for split, items in dataset.splits.items()}
    size: dict[str, Counter[int]] = {split: Counter() for split in dataset.splits}
    missing = 0
    for split, sample in dataset.samples():
        found = _file_size(dataset, sample)
        size[split][sample.label] += found or 0
        missing += found is None
    return Stats(
        dataset.root,
        dataset.layout,
        dataset.class_names,
        samples,
        size,
        missing,
        len(dataset.problems),
    )


def _file_size(dataset: Dataset, sample: Sample) -> int | None:
    try:
        return dataset.image_path(sample).stat().st_size
    except OSError:
        return None
