"""Laws of orders, weights and keyed random numbers."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clsctl.loading.sampling import Stream, balanced_weights, class_weights, epoch_order, generator

label_lists = st.lists(st.integers(0, 6), min_size=1, max_size=60)


@given(count=st.integers(0, 300), seed=st.integers(0, 2**64), epoch=st.integers(0, 1000))
def test_a_shuffled_epoch_is_a_permutation(count, seed, epoch):
    order = epoch_order(count, seed, epoch, shuffle=True)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(count))
    assert np.array_equal(order, epoch_order(count, seed, epoch, shuffle=True))


@given(labels=label_lists)
def test_balanced_weights_give_each_class_the_same_chance(labels):
    weights = balanced_weights(labels)
    chances = [weights[np.array(labels) == label].sum() for label in set(labels)]
    assert np.allclose(chances, 1 / len(set(labels)))
    drawn = epoch_order(len(labels), 0, 0, shuffle=True, weights=weights)
    assert len(drawn) == len(labels)
    assert set(drawn.tolist()) <= set(range(len(labels)))


@given(labels=label_lists)
def test_class_weights_make_classes_count_the_same(labels):
    weights = class_weights(labels, 8)
    assert (weights.shape, weights.dtype) == ((8,), np.float32)
    totals = np.bincount(labels, weights=weights[labels], minlength=8)
    present = np.bincount(labels, minlength=8) > 0
    assert np.allclose(totals[present], len(labels) / present.sum(), rtol=1e-5)
    assert not weights[~present].any()


def test_every_key_has_random_numbers_of_its_own():
    keys = list(itertools.product((0, 1, 2**33), Stream, (0, 1), (0, 1)))
    drawn = {generator(*key).bytes(16) for key in keys}
    assert len(drawn) == len(keys)
