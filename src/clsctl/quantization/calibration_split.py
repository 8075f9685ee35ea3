"""Choose the images that calibrate a quantised model, and those that judge it."""

from __future__ import annotations

from dataclasses import replace

from clsctl.datasets.samples import SPLITS, Dataset
from clsctl.datasets.split.stratify import assign
from clsctl.errors import DataError


def sample_calibration_split(dataset: Dataset, images: int, seed: int) -> Dataset:
    """Sample images to calibrate with, the classes in proportion, as the train split.

    All of the dataset's val split, less those images, is the val split, which judges. Where the
    dataset has one split only, no more than half of that calibrates and the rest judges.

    Raises:
        DataError: There are not enough images (`E_QUANTIZE_IMAGES`).
    """
    pool, *others = [dataset.splits[name] for name in SPLITS if dataset.splits.get(name)] or [()]
    size = min(images, len(pool) if others else len(pool) // 2)
    shares = {"train": size, "val": len(pool) - size}
    splits = assign({s.path: s.label for s in pool}, shares, seed=seed) if size else {}
    train = [sample for sample in pool if splits.get(sample.path) == "train"]
    val = [s for s in (others[0] if others else pool) if splits.get(s.path) != "train"]
    if not train or not val:
        raise DataError(
            f"{dataset.root} has too few images: some to calibrate with and others to judge with "
            "are needed",
            code="E_QUANTIZE_IMAGES",
            hint="a few hundred of each are enough",
        )
    return replace(dataset, splits={"train": tuple(train), "val": tuple(val)})
