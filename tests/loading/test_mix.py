"""Laws of mixup and CutMix: soft labels say what the images show."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clsctl.loading.loader import Batch
from clsctl.loading.mix import Mixer

CLASSES, SIDE = 5, 12

alphas = st.floats(0.05, 5)
seeds = st.integers(0, 2**32)
keys = st.tuples(st.integers(0, 50), st.integers(0, 500))


def batch(count: int) -> Batch:
    """Images that are each of one value: their own number."""
    labels = np.arange(count, dtype=np.int64) % CLASSES
    images = np.ones((count, 3, SIDE, SIDE), np.float32) * np.arange(count)[:, None, None, None]
    return Batch(images.astype(np.float32), labels, np.arange(count), count)


@given(count=st.integers(1, 9), mixup=alphas, cutmix=alphas, seed=seeds, key=keys)
def test_targets_are_distributions_and_the_same_key_mixes_alike(count, mixup, cutmix, seed, key):
    mixer = Mixer(CLASSES, mixup, cutmix, 1.0, seed)
    mixed = mixer(batch(count), *key)
    assert (mixed.images.shape, mixed.images.dtype) == ((count, 3, SIDE, SIDE), np.float32)
    assert (mixed.targets.shape, mixed.targets.dtype) == ((count, CLASSES), np.float32)
    assert np.abs(mixed.targets.sum(axis=1) - 1).max() < 1e-6
    assert mixed.targets.min() >= 0
    again = mixer(batch(count), *key)
    assert again.images.tobytes() == mixed.images.tobytes()
    assert again.targets.tobytes() == mixed.targets.tobytes()


@given(count=st.integers(1, CLASSES), mixup=alphas, seed=seeds, key=keys)
def test_mixup_fades_pixels_and_labels_by_the_same_shares(count, mixup, seed, key):
    images, targets = Mixer(CLASSES, mixup, 0.0, 1.0, seed)(batch(count), *key)
    # An image's value is its class here, so that its label's mean is what it must show.
    shown = targets @ np.arange(CLASSES)
    assert np.abs(images - shown[:, None, None, None]).max() < 1e-5


@given(count=st.integers(1, CLASSES), cutmix=alphas, seed=seeds, key=keys)
def test_cutmix_labels_count_pixels(count, cutmix, seed, key):
    images, targets = Mixer(CLASSES, 0.0, cutmix, 1.0, seed)(batch(count), *key)
    for image, target in zip(images, targets, strict=True):
        counts = [(image[0] == label).sum() for label in range(CLASSES)]
        assert np.array_equal(image[0], image[1])
        assert np.abs(np.array(counts) / SIDE**2 - target).max() < 1e-6


def test_a_share_of_the_batches_is_mixed_and_both_ways_are_used():
    mixer = Mixer(8, 1.0, 1.0, 0.6, 0)
    ways = {"none": 0, "mixup": 0, "cutmix": 0}
    for number in range(300):
        images, targets = mixer(batch(8), 0, number)
        if set(targets.ravel()) <= {0, 1}:
            ways["none"] += 1
        else:
            ways["cutmix" if set(images.ravel()) <= set(range(8)) else "mixup"] += 1
    assert 90 < ways["none"] < 150
    assert 60 < ways["mixup"] < 120
    assert 60 < ways["cutmix"] < 120


def test_without_either_labels_are_one_hot_and_images_untouched():
    images, targets = Mixer(CLASSES, 0.0, 0.0, 1.0, 0)(batch(6), 0, 0)
    assert np.array_equal(images, batch(6).images)
    assert targets.argmax(axis=1).tolist() == [0, 1, 2, 3, 4, 0]
    assert targets.sum() == 6
