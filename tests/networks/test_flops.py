"""Parameters and multiply-accumulates, against figures by hand and those of the references."""

from __future__ import annotations

import paddle
import pytest
from golden_rules import manifest
from paddle import nn

from clsctl import build
from clsctl.networks.flops import activations, macs, parameters

# Grouped, biased and asymmetrically padded convolutions; attention; batch statistics.
NETWORKS = [
    "FasterNet-T0",
    "MobileNetV4_hybrid_medium",
    "PP-HGNetV2-B0",
    "PP-LCNet_x0_25",
    "PP-LCNetV2_small",
    "StarNet-S1",
    "SwinTransformer_tiny_patch4_window7_224",
]


class Tiny(nn.Layer):
    """One of everything that counts."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2D(4, 6, 3, stride=2, padding=1, groups=2)
        self.bn = nn.BatchNorm2D(6)
        self.depthwise = nn.Conv2D(6, 6, 3, padding=1, groups=6, bias_attr=False)
        self.fc = nn.Linear(6, 5)
        self.register_buffer("steps", paddle.to_tensor([7]))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        tokens = self.depthwise(self.bn(self.conv(x))).flatten(2)
        mixed = tokens.matmul(tokens, transpose_x=True)
        return self.fc(tokens.matmul(mixed).mean(-1))


@pytest.mark.parametrize("name", NETWORKS)
def test_counts_are_those_of_the_reference(name):
    facts = manifest(name)
    with paddle.LazyGuard():
        network = build(name)
    assert parameters(network) == facts["num_float_elements"]
    assert parameters(network, trainable=True) == facts["num_trainable_params"]
    # The reference is a sum of two figures that were each rounded to four decimals.
    counted = macs(network, facts["input_shape"][1:]) / 1e9
    assert counted == pytest.approx(facts["gmacs"]["total"], abs=1e-4)


def test_counts_by_hand():
    network = Tiny()
    conv, depthwise, fc = 6 * 2 * 9, 6 * 9, 6 * 5
    assert parameters(network) == (conv + 6) + 4 * 6 + depthwise + (fc + 5)
    assert parameters(network, trainable=True) == parameters(network) - 2 * 6
    pixels = 4 * 3
    attention = 2 * 6 * pixels**2
    assert macs(network, (4, 8, 6)) == (conv + depthwise) * pixels + attention + fc


def test_activations_by_hand():
    network = nn.Sequential(nn.Conv2D(3, 4, 3, padding=1, bias_attr=False), nn.ReLU())
    assert activations(network, (3, 8, 8)) == (3 + 2 * 4) * 8 * 8


def test_frozen_parameters_are_not_trainable():
    network = Tiny()
    network.fc.weight.stop_gradient = True
    assert parameters(network, trainable=True) == parameters(Tiny(), trainable=True) - 30


def test_counting_leaves_the_network_as_it_was():
    network = Tiny()
    network.bn.eval()
    before = {name: value.numpy().copy() for name, value in network.state_dict().items()}
    macs(network, (4, 8, 6))
    assert (network.training, network.bn.training, network.fc.training) == (True, False, True)
    assert all(
        (value.numpy() == before[name]).all() for name, value in network.state_dict().items()
    )
    network(paddle.rand([2, 4, 8, 6])).sum().backward()
    assert network.conv.weight.grad is not None
