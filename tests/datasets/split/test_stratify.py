from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clsctl.datasets.split.stratify import apportion, assign

sizes = st.lists(st.integers(0, 60), min_size=1, max_size=30)
unequal = st.lists(st.integers(1, 97), min_size=2, max_size=3)
equal = st.integers(2, 12).map(lambda folds: [1] * folds)
shares = st.one_of(unequal, equal)


@st.composite
def labelled(draw):
    """Paths with a few classes of very different size."""
    count = draw(st.integers(1, 120))
    classes = draw(st.lists(st.integers(0, 6), min_size=count, max_size=count))
    return {f"照片/{number}.jpg": label for number, label in enumerate(classes)}


def named(weights):
    return dict(zip("abcdefghijkl", weights, strict=False))


def cells(placed, labels):
    return Counter((split, labels[path]) for path, split in placed.items())


@given(sizes, shares)
@settings(max_examples=400)
def test_every_cell_row_and_column_is_rounded_once(sizes, shares):
    table, whole = apportion(sizes, shares), sum(shares)
    for size, row in zip(sizes, table, strict=True):
        assert sum(row) == size
        for share, cell in zip(shares, row, strict=True):
            assert math.floor(size * share / whole) <= cell <= math.ceil(size * share / whole)
    for share, column in zip(shares, zip(*table, strict=True), strict=True):
        assert abs(sum(column) - sum(sizes) * share / whole) < 1


@given(labelled(), shares, st.integers(0, 3), st.booleans())
@settings(max_examples=200)
def test_a_split_is_complete_and_in_proportion(labels, weights, seed, stratify):
    shares, whole = named(weights), sum(weights)
    placed = assign(labels, shares, seed=seed, stratify=stratify)
    assert list(placed) == sorted(labels)
    totals = Counter(placed.values())
    for split, share in shares.items():
        assert abs(totals[split] - len(labels) * share / whole) < 1
        for label, size in Counter(labels.values()).items() if stratify else ():
            assert abs(cells(placed, labels)[split, label] - size * share / whole) < 1


@given(labelled(), shares, st.randoms())
@settings(max_examples=100)
def test_the_order_of_the_samples_means_nothing(labels, weights, shuffler):
    items = list(labels.items())
    shuffler.shuffle(items)
    groups = {path: str(label % 2) for path, label in items if label > 3}
    for chosen in ({}, groups):
        given_order = assign(labels, named(weights), groups=chosen)
        assert assign(dict(items), named(weights), groups=chosen) == given_order


@given(labelled(), shares, st.data())
@settings(max_examples=100)
def test_a_group_stays_together(labels, weights, data):
    paths = st.sampled_from(sorted(labels))
    groups = data.draw(st.dictionaries(paths, st.sampled_from("xyz")))
    placed = assign(labels, named(weights), groups=groups)
    assert placed.keys() == labels.keys()
    for name in "xyz":
        assert len({placed[path] for path, group in groups.items() if group == name}) <= 1


def test_small_groups_are_shared_out_as_well_as_samples_are():
    labels = {f"{n}-{view}": n % 5 for n in range(200) for view in range(4)}
    groups = {path: path.partition("-")[0] for path in labels}
    placed = assign(labels, {"train": 80, "val": 20}, groups=groups)
    assert cells(placed, labels) == {
        (split, label): size for split, size in (("train", 128), ("val", 32)) for label in range(5)
    }


def test_a_path_may_be_called_like_a_group():
    placed = assign({"a": 0, "b": 0, "x": 0}, {"train": 1, "val": 1}, groups={"a": "x", "b": "x"})
    assert placed["a"] == placed["b"] != placed["x"]


@pytest.mark.parametrize("stratify", [True, False])
def test_seeds_differ_and_cover_everything_evenly(stratify):
    labels = {str(n): n % 3 for n in range(60)}
    shares = {"train": 80, "val": 20}
    chosen = Counter()
    for seed in range(200):
        placed = assign(labels, shares, seed=seed, stratify=stratify)
        chosen.update(path for path, split in placed.items() if split == "val")
    # 200 draws of 1 in 5: 40 each, with a standard deviation below 6.
    assert chosen.total() == 200 * 12
    assert 15 < min(chosen.values()) <= max(chosen.values()) < 65


def test_a_class_of_one_is_not_always_rounded_the_same_way():
    labels = {str(n): n for n in range(10)}
    lonely = {
        path
        for seed in range(100)
        for path, split in assign(labels, {"train": 90, "val": 10}, seed=seed).items()
        if split == "val"
    }
    assert lonely == set(labels)


def test_the_split_of_a_seed_is_written_in_stone():
    """Whoever has published a seed must get the same split from every later release."""
    labels = {f"{n:02}": n % 2 for n in range(20)}
    placed = assign(labels, {"train": 80, "val": 20})
    assert [path for path, split in placed.items() if split == "val"] == ["00", "03", "06", "13"]


def test_many_classes_of_one():
    labels = {str(n): n for n in range(3000)}
    placed = assign(labels, {"train": 80, "val": 10, "test": 10})
    assert Counter(placed.values()) == {"train": 2400, "val": 300, "test": 300}
