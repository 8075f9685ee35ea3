from __future__ import annotations

import numpy as np
import paddle
import pytest

import clsctl
from clsctl.errors import ModelError

NAME = "MobileNetV1_x0_25"


def weights(network) -> np.ndarray:
    return np.concatenate([tensor.numpy().ravel() for tensor in network.parameters()])


def test_one_seed_one_network():
    first, again, other = (clsctl.build(NAME, seed=seed) for seed in (7, 7, 8))
    assert np.array_equal(weights(first), weights(again))
    assert not np.array_equal(weights(first), weights(other))


def test_a_seed_leaves_the_caller_s_random_numbers_alone():
    paddle.seed(3)
    expected = paddle.rand([4]).numpy()
    paddle.seed(3)
    clsctl.build(NAME, seed=99)
    assert np.array_equal(paddle.rand([4]).numpy(), expected)


def test_options_reach_the_network():
    network = clsctl.build("StarNet-S1", num_classes=3, drop_path_rate=0.5)
    assert network(paddle.rand([1, 3, 64, 64])).shape == [1, 3]


def test_an_unknown_network_gets_the_nearest_names():
    with pytest.raises(ModelError, match="Did you mean ResNet50"):
        clsctl.build("ResNet_50")
