from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsctl.datasets.samples import Dataset, Sample
from clsctl.errors import DataError
from clsctl.quantization.calibration_split import sample_calibration_split


def dataset_of(**splits: list[int]) -> Dataset:
    samples = {
        name: tuple(Sample(f"{name}/{i}.jpg", label, f"{name}.txt", i + 1) for i, label in rows)
        for name, rows in ((name, list(enumerate(labels))) for name, labels in splits.items())
    }
    names = {label: f"class {label}" for labels in splits.values() for label in labels}
    return Dataset(Path("photos"), "lists", names, samples, ())


def drawn_of(dataset: Dataset, images: int, seed: int) -> list[tuple[Sample, ...]]:
    """What calibrates, and what judges."""
    splits = sample_calibration_split(dataset, images, seed).splits
    return [splits["train"], splits["val"]]


LABELS = st.lists(st.integers(0, 3), min_size=2, max_size=60)


@given(train=LABELS, val=LABELS, images=st.integers(1, 80), seed=st.integers(0, 3))
def test_train_calibrates_and_all_of_val_judges(train, val, images, seed):
    drawn, others = drawn_of(dataset_of(train=train, val=val), images, seed)
    assert len(drawn) == min(images, len(train))
    assert [sample.label for sample in others] == val
    share = len(drawn) / len(train)
    for label, count in Counter(train).items():
        assert abs(sum(sample.label == label for sample in drawn) - count * share) < 1


@given(labels=LABELS, images=st.integers(1, 80), seed=st.integers(0, 3))
def test_an_only_split_is_shared_out(labels, images, seed):
    found = dataset_of(test=labels)
    drawn, others = drawn_of(found, images, seed)
    assert len(drawn) == min(images, len(labels) // 2)
    assert {sample.path for sample in drawn}.isdisjoint(sample.path for sample in others)
    assert len(drawn) + len(others) == len(labels)
    assert drawn_of(found, images, seed) == [drawn, others]


def test_an_image_that_is_in_both_splits_does_not_judge():
    found = dataset_of(train=[0, 1], val=[0, 1, 1])
    both = Dataset(
        found.root,
        "lists",
        found.class_names,
        {**found.splits, "val": found.splits["train"] + found.splits["val"]},
        (),
    )
    drawn, others = drawn_of(both, 10, 0)
    assert len(drawn) == 2
    assert [sample.path for sample in others] == ["val/0.jpg", "val/1.jpg", "val/2.jpg"]


@pytest.mark.parametrize("splits", [{}, {"train": [0]}])
def test_too_few(splits):
    with pytest.raises(DataError, match="too few images") as error:
        sample_calibration_split(dataset_of(**splits), 300, 0)
    assert error.value.code == "E_QUANTIZE_IMAGES"
