"""Every family trains on oneDNN as it does on stock Paddle, and is afterwards what it was."""

import copy
import warnings
from contextlib import nullcontext

import families
import numpy as np
import paddle
import pytest
import rounding
from paddle import nn
from paddle.nn import functional as F

from clsctl.networks.base import Network, conv_bn
from clsctl.onednn.switch import accelerated, left_to_paddle

pytestmark = pytest.mark.usefixtures("transposing")

# Blocks like those left out, which would take most of the time.
SHORTER = {
    "CLIP_vit_base_patch16_224": {"depth": 2},
    "ConvNeXt_tiny": {"depths": (1, 1, 1, 1)},
    "SwinTransformer_tiny_patch4_window7_224": {"depths": (2, 1, 1, 1)},
}
MORE = ["MobileNetV4_hybrid_medium", "ResNet18_vd"]


def built(name: str) -> Network:
    paddle.seed(7)
    build = families.REGISTRY.get("architectures", name).build
    return build(num_classes=5, **SHORTER.get(name, {}))


def step(network: nn.Layer, on) -> dict[str, np.ndarray]:
    """Logits, loss, gradients and state of one step on the same images."""
    network.clear_gradients()
    paddle.seed(3)
    images, labels = paddle.randn([3, 3, 64, 64]), paddle.to_tensor([1, 2, 3])
    with on, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logits = network(images)
    F.cross_entropy(logits, labels).backward()
    gradients = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    tensors = {"logits": logits, **gradients, **{f"state {n}": s for n, s in state(network)}}
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def state(network: nn.Layer) -> list[tuple[str, paddle.Tensor]]:
    return [(name, value.clone()) for name, value in network.state_dict().items()]


def nudged_step(network: nn.Layer) -> dict[str, np.ndarray]:
    """A step of stock Paddle from weights that are nudged; see `rounding`."""
    before, rng = dict(state(network)), np.random.default_rng(0)
    for value in network.state_dict().values():
        if value.is_floating_point():
            value.set_value(rounding.nudged(value.numpy(), rng))
    found = step(network, nullcontext())
    network.set_state_dict(before)
    return found


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other))


def assert_equal_but_for_rounding(network: nn.Layer, *parts: str) -> None:
    """One step on oneDNN against one on stock Paddle; all of it, or what begins like the parts.

    Over so many numbers one nudge of each is as good as several.
    """
    before = dict(state(network))
    expected = step(network, nullcontext())
    network.set_state_dict(before)
    found = step(network, accelerated(network))
    network.set_state_dict(before)
    nudged = nudged_step(network)
    assert expected.keys() == found.keys() == nudged.keys()
    for part in parts or ("",):
        exact, ours, moved = (
            joined({name: value for name, value in one.items() if name.startswith(part)})
            for one in (expected, found, nudged)
        )
        assert distance(exact, ours) <= rounding.ROUNDINGS * distance(exact, moved), part


def joined(results: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([value.astype("float64").ravel() for value in results.values()])


@pytest.mark.parametrize("name", [*families.SMALL, *MORE])
def test_every_family(name):
    network = built(name)
    network.eval()
    assert_equal_but_for_rounding(network, "logits", "")
    network.train()
    # Statistics of a few small images make gradients so steep that rounding is all they show.
    assert_equal_but_for_rounding(network, "logits", "state ")
    assert not left_to_paddle(network)


def test_the_network_is_only_lent():
    network = built("MobileNetV3_small_x0_35")
    names = list(network.state_dict())
    with accelerated(network):
        assert list(network.state_dict()) == names
        assert "forward" in vars(network.conv.conv)
    with pytest.raises(ZeroDivisionError), accelerated(network):
        raise ZeroDivisionError
    assert not [layer for layer in network.sublayers(True) if "forward" in vars(layer)]
    network.eval()
    images = paddle.randn([2, 3, 64, 64])
    copied = copy.deepcopy(network)
    np.testing.assert_array_equal(copied(images).numpy(), network(images).numpy())


def test_the_same_step_twice_gives_the_same_bytes():
    network = built("PP-HGNetV2-B0")
    before = dict(state(network))
    one = step(network, accelerated(network))
    network.set_state_dict(before)
    other = step(network, accelerated(network))
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


class Foreign(Network):
    """As third-party code may be, naming the axes of a map wherever it likes."""

    head_name = "fc"

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv_bn(3, 8, 3, stride=2, act=nn.ReLU)
        self.norm = nn.GroupNorm(2, 8)
        self.shuffle = nn.ChannelShuffle(4)
        self.fc = nn.Linear(16, 5)

    def forward_features(self, x):
        x = self.shuffle(self.norm(self.stem(x)))
        return paddle.concat([x, x.flip(axis=3) * x.shape[2]], axis=1)

    def forward_head(self, x, pre_logits=False):
        return self.fc(x.max(axis=[2, 3]))


def test_a_network_that_says_nothing_of_its_layout_is_right_all_the_same():
    paddle.seed(0)
    network = Foreign()
    network.eval()
    assert_equal_but_for_rounding(network)
    assert left_to_paddle(network) == ["ChannelShuffle", "GroupNorm"]


class Declared(Foreign):
    """The same, save that it leaves axes to its layers."""

    channels_last = True
    channel_axis = 1

    def forward_features(self, x):
        x = self.shuffle(self.norm(self.stem(x)))
        return paddle.concat([x, F.relu(x) * 2], axis=self.channel_axis)


def test_layers_of_paddle_that_onednn_lacks_get_the_layout_they_know():
    paddle.seed(0)
    network = Declared()
    network.eval()
    assert_equal_but_for_rounding(network)
