"""Merging the depthwise branches: the same function with fewer convolutions."""

from __future__ import annotations

import copy

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clsctl

NAMES = ["PP-LCNetV2_small", "PP-LCNetV2_base", "PP-LCNetV2_large"]


def build(name, seed=0):
    """A network in evaluation whose normalisation layers are far from their initial identity."""
    paddle.seed(seed)
    network = clsctl.build(name, num_classes=10)
    generator = np.random.default_rng(seed)
    for key, value in network.state_dict().items():
        if ".bn." in key:
            value.set_value(generator.uniform(0.8, 1.2, value.shape).astype("float32"))
    network.eval()
    return network


def logits(network, size=64):
    images = np.random.default_rng(1).standard_normal((2, 3, size, size), dtype=np.float32)
    with paddle.no_grad():
        return network(paddle.to_tensor(images)).numpy()


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**31 - 1), size=st.sampled_from([33, 64, 96]))
@settings(max_examples=4, derandomize=True)
def test_merging_changes_the_logits_by_rounding_alone(name, seed, size):
    network = build(name, seed)
    before = logits(network, size)
    network.reparameterise()
    assert np.abs(logits(network, size) - before).max() < 5e-6 * np.abs(before).max()


def test_merging_takes_the_branches_out_of_the_state_dict_and_leaves_every_other_name():
    network = build("PP-LCNetV2_small")
    published = list(network.state_dict())
    network.reparameterise()
    merged = list(network.state_dict())
    assert merged == [key for key in published if ".dw_conv_list." not in key]
    assert len(merged) < len(published)


def test_merging_twice_is_merging_once():
    network = build("PP-LCNetV2_small")
    network.reparameterise()
    once = logits(network)
    network.reparameterise()
    assert np.array_equal(logits(network), once)


def test_the_published_merged_convolution_is_unused_until_merging_and_then_overwritten():
    network, spoilt = build("PP-LCNetV2_small"), build("PP-LCNetV2_small")
    for key, value in spoilt.state_dict().items():
        if key.endswith((".dw_conv.weight", ".dw_conv.bias")):
            value.set_value(paddle.full_like(value, 7.0))
    assert np.array_equal(logits(spoilt), logits(network))
    network.reparameterise()
    spoilt.reparameterise()
    assert np.array_equal(logits(spoilt), logits(network))


def test_merging_a_copy_leaves_the_network_ready_to_train():
    network = build("PP-LCNetV2_small")
    before = logits(network)
    copy.deepcopy(network).reparameterise()
    assert any(".dw_conv_list." in key for key in network.state_dict())
    assert np.array_equal(logits(network), before)
