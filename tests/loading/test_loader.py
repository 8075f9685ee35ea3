"""What a loader promises: the same batches, whatever the threads and wherever an epoch begins."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import encoded, photo

from clsctl.datasets.samples import Sample
from clsctl.errors import DataError
from clsctl.images.preprocess import transform_ops
from clsctl.loading.augment import AugmentConfig, train_transform
from clsctl.loading.loader import Batch, Loader, open_loader
from clsctl.loading.sampling import balanced_weights
from clsctl.settings import Settings
from clsctl.values import Preprocessing

COUNT, SIDE = 23, 16
TRANSFORM = train_transform(Preprocessing(SIDE, SIDE), AugmentConfig())


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number in range(COUNT):
        pixels = photo(20 + number, 40 - number, seed=number)
        (folder / f"{number}.jpg").write_bytes(encoded(pixels, "JPEG"))
    return folder


def make(root: Path, **options) -> Loader:
    samples = [Sample(f"{n}.jpg", n % 3, "train.txt", n + 1) for n in range(COUNT)]
    return Loader(samples, root, TRANSFORM, **{"batch_size": 4, "seed": 5, **options})


def content(batches: Iterator[Batch]) -> list[tuple[bytes, ...]]:
    return [tuple(array.tobytes() for array in batch[:3]) for batch in batches]


def places(batches: Iterator[Batch]) -> list[int]:
    return [index for batch in batches for index in batch.indices.tolist()]


@settings(max_examples=20)
@given(
    batch_size=st.integers(1, COUNT + 2),
    workers=st.integers(1, 4),
    seed=st.integers(0, 2**40),
    epoch=st.integers(0, 99),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
)
def test_each_sample_comes_exactly_once_an_epoch(
    root, batch_size, workers, seed, epoch, shuffle, drop_last
):
    loader = make(
        root,
        batch_size=batch_size,
        workers=workers,
        seed=seed,
        shuffle=shuffle,
        drop_last=drop_last,
    )
    batches = list(loader.batches(epoch))
    seen = places(iter(batches))
    whole = COUNT - COUNT % batch_size
    assert len(batches) == len(loader)
    assert len(seen) == (whole if drop_last else COUNT)
    assert len(set(seen)) == len(seen)
    assert shuffle or seen == list(range(len(seen)))
    for batch in batches:
        assert batch.images.shape == (len(batch.labels), 3, SIDE, SIDE)
        assert (batch.images.dtype, batch.labels.dtype, batch.indices.dtype) == (
            np.float32,
            np.int64,
            np.int64,
        )
        assert batch.labels.tolist() == [index % 3 for index in batch.indices]


@settings(max_examples=15)
@given(start=st.integers(0, 6), workers=st.integers(1, 4), batch_size=st.integers(1, 9))
def test_an_epoch_goes_on_anywhere_with_the_same_bytes(root, start, workers, batch_size):
    whole = content(make(root, shuffle=True, batch_size=batch_size).batches(3))
    rest = make(root, shuffle=True, batch_size=batch_size, workers=workers).batches(3, start)
    assert content(rest) == whole[start:]


@settings(max_examples=10)
@given(small=st.integers(1, 9), large=st.integers(1, 30))
def test_an_images_variation_does_not_depend_on_the_batch_size(root, small, large):
    one, other = (
        np.concatenate([b.images for b in make(root, shuffle=True, batch_size=size).batches(1)])
        for size in (small, large)
    )
    assert np.array_equal(one, other)


def test_epochs_and_seeds_differ(root):
    orders = {tuple(places(make(root, seed=seed, shuffle=True).batches(epoch)))
              for seed in (1, 2) for epoch in (0, 1)}  # fmt: skip
    assert len(orders) == 4
    fixed = {tuple(content(make(root, seed=seed).batches(epoch)))
             for seed in (1, 2) for epoch in (0, 1)}  # fmt: skip
    assert len(fixed) == 4


def test_a_sample_drawn_twice_is_varied_twice(root):
    weights = np.zeros(COUNT)
    weights[7] = 1.0
    batch = next(make(root, batch_size=COUNT, weights=weights).batches(0))
    assert batch.indices.tolist() == [7] * COUNT
    assert len({image.tobytes() for image in batch.images}) > COUNT // 2


def test_balanced_drawing_takes_classes_equally_often(root):
    labels = [0] * 20 + [1] * 2 + [2]
    samples = [Sample(f"{n}.jpg", label, "train.txt", n + 1) for n, label in enumerate(labels)]
    weights = balanced_weights(labels)
    loader = Loader(samples, root, TRANSFORM, batch_size=COUNT, weights=weights)
    drawn = np.concatenate([batch.labels for n in range(20) for batch in loader.batches(n)])
    shares = np.bincount(drawn) / len(drawn)
    assert np.abs(shares - 1 / 3).max() < 0.1  # three deviations of 460 draws are 0.066


@pytest.mark.parametrize("workers", [1, 3])
def test_an_unreadable_image_is_named_with_its_line(root, tmp_path, workers):
    (tmp_path / "broken.jpg").write_bytes((root / "3.jpg").read_bytes()[:200])
    (tmp_path / "good.jpg").write_bytes((root / "3.jpg").read_bytes())
    names = ["good.jpg", "good.jpg", "broken.jpg", "missing.jpg"]
    samples = [Sample(name, 0, "train.txt", line) for line, name in enumerate(names, 11)]
    batches = Loader(samples, tmp_path, TRANSFORM, batch_size=2, workers=workers).batches(0)
    assert next(batches).indices.tolist() == [0, 1]
    with pytest.raises(DataError) as caught:
        next(batches)
    assert caught.value.message == "train.txt, line 13: broken.jpg: the JPEG file is cut short"
    assert caught.value.code == "E_IMAGE_TRUNCATED"


def test_an_image_of_a_folder_tree_is_named_by_its_path(tmp_path):
    loader = Loader([Sample("cat/1.jpg", 0, "cat/1.jpg", 0)], tmp_path, TRANSFORM, batch_size=1)
    with pytest.raises(DataError) as caught:
        next(loader.batches(0))
    assert caught.value.message == "cat/1.jpg: there is no such file"


def test_only_a_few_images_are_read_ahead(root):
    opened: list[Path] = []

    def read(path: Path) -> np.ndarray:
        opened.append(path)
        return photo(20, 30)

    batches = make(root, batch_size=2, read=read).batches(0)
    next(batches)
    assert len(opened) <= 2 * 3
    batches.close()
    assert len(opened) <= 2 * 3


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_processes_get_parts_of_the_very_batches_that_one_would_get(root, batch_size):
    whole = make(root, batch_size=2 * batch_size, shuffle=True)
    parts = [make(root, batch_size=batch_size, shuffle=True, part=(n, 2)) for n in range(2)]
    for batch, *shares in zip(*(loader.batches(3) for loader in (whole, *parts)), strict=True):
        filled = [share for share in shares if len(share.labels)]
        for field in ("images", "labels", "indices"):
            joined = np.concatenate([getattr(share, field) for share in filled])
            assert (joined == getattr(batch, field)).all()
        assert {share.whole for share in shares} == {len(batch.labels)}


@pytest.mark.parametrize("backend", ["cv2", "pil"])
def test_what_is_kept_gives_the_network_the_same(root, tmp_path, backend):
    """To the bit, and without another look at the files."""
    samples = [Sample(f"{n}.jpg", 0, "val.txt", n + 1) for n in range(COUNT)]
    ops = transform_ops(Preprocessing(SIDE + 2, SIDE, backend=backend))
    copies = tmp_path / "images"
    shutil.copytree(root, copies)
    plain = open_loader(samples, root, ops, Settings(), 4)
    kept = open_loader(samples, copies, ops, Settings(), 4, keep=10**9)
    expected = content(plain.batches(0))
    assert content(kept.batches(0)) == expected
    for path in copies.iterdir():
        facts = path.stat()
        path.write_bytes(bytes(facts.st_size))
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert content(kept.batches(1)) == expected
