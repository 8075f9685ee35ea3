"""FasterNet: convolutions of a part of the channels.

"Run, Don't Walk: Chasing Higher FLOPS for Faster Neural Networks", Chen et al. 2023,
arXiv:2303.03667.

A block convolves the first quarter of its channels only and leaves the rest untouched, then mixes
all of them with two 1x1 convolutions; a 2x2 convolution of stride 2 stands between stages. The two
smallest variants use GELU, the others ReLU. The pooled features pass one more 1x1 convolution
before the classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import paddle
from paddle import Tensor, nn
from paddle.nn.initializer import TruncatedNormal

from clsctl.networks.base import DropPath, Network, drop_path_rates
from clsctl.plugin import Architecture, hookimpl

# ---- configurations ----------------------------------------------------------------------------

CONFIGS: dict[str, dict[str, Any]] = {
    "FasterNet-T0": {"width": 40, "depths": (1, 2, 8, 2), "act": nn.GELU, "drop_path_rate": 0.0},
    "FasterNet-T1": {"width": 64, "depths": (1, 2, 8, 2), "act": nn.GELU, "drop_path_rate": 0.02},
    "FasterNet-T2": {"width": 96, "depths": (1, 2, 8, 2), "act": nn.ReLU, "drop_path_rate": 0.05},
    "FasterNet-S": {"width": 128, "depths": (1, 2, 13, 2), "act": nn.ReLU, "drop_path_rate": 0.1},
    "FasterNet-M": {"width": 144, "depths": (3, 4, 18, 3), "act": nn.ReLU, "drop_path_rate": 0.2},
    "FasterNet-L": {"width": 192, "depths": (3, 4, 18, 3), "act": nn.ReLU, "drop_path_rate": 0.3},
}


# ---- blocks ------------------------------------------------------------------------------------


def conv(in_channels: int, out_channels: int, kernel: int, **options: Any) -> nn.Conv2D:
    """A convolution without bias."""
    weight = TruncatedNormal(std=0.02)
    return nn.Conv2D(
        in_channels, out_channels, kernel, weight_attr=weight, bias_attr=False, **options
    )


def tile(name: str, in_channels: int, out_channels: int, size: int) -> nn.Sequential:
    """Turns each tile of `size` x `size` pixels into one, by a convolution called `name`."""
    projection = conv(in_channels, out_channels, size, stride=size)
    return nn.Sequential((name, projection), ("norm", nn.BatchNorm2D(out_channels)))


class PartialConv(nn.Layer):
    """A 3x3 convolution of the first quarter of the channels; the others pass."""

    channel_axis = 1

    def __init__(self, channels: int) -> None:
        super().__init__()
        convolved = channels // 4
        self.sections = [convolved, channels - convolved]
        self.partial_conv3 = conv(convolved, convolved, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        convolved, untouched = paddle.split(x, self.sections, self.channel_axis)
        return paddle.concat([self.partial_conv3(convolved), untouched], self.channel_axis)


class Block(nn.Layer):
    """Partial convolution and a pointwise perceptron, beside a shortcut."""

    def __init__(self, channels: int, act: type[nn.Layer], drop_path_rate: float) -> None:
        super().__init__()
        hidden = 2 * channels
        self.mlp = nn.Sequential(
            conv(channels, hidden, 1), nn.BatchNorm2D(hidden), act(), conv(hidden, channels, 1)
        )
        self.spatial_mixing = PartialConv(channels)
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        branch: Tensor = self.drop_path(self.mlp(self.spatial_mixing(x)))
        return x + branch


# ---- network -----------------------------------------------------------------------------------


class FasterNet(Network):
    """A FasterNet.

    Args:
        num_classes: Length of the logits.
        width: Channels of the first stage; each later stage has twice those of the one before.
        depths: Blocks in each stage.
        act: The activation.
        drop_path_rate: Stochastic depth of the last block; it grows linearly from 0.
    """

    num_features = 1280
    head_name = "head"
    channels_last = True
    decays_vectors = False

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        width: int,
        depths: Sequence[int],
        act: type[nn.Layer],
        drop_path_rate: float,
    ) -> None:
        super().__init__()
        self.patch_embed = tile("proj", 3, width, 4)
        layers = nn.Sequential()
        for stage, rates in enumerate(drop_path_rates(drop_path_rate, depths)):
            if stage > 0:
                layers.append(tile("reduction", width, 2 * width, 2))
                width *= 2
            blocks = nn.Sequential(*(Block(width, act, rate) for rate in rates))
            layers.append(nn.Sequential(("blocks", blocks)))
        self.stages = layers
        self.avgpool_pre_head = nn.Sequential(
            nn.AdaptiveAvgPool2D(1), conv(width, self.num_features, 1), act()
        )
        self.head = nn.Linear(self.num_features, num_classes, weight_attr=TruncatedNormal(std=0.02))

    def forward_features(self, x: Tensor) -> Tensor:
        for layer in (self.patch_embed, self.stages):
            x = layer(x)
        return x

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = self.avgpool_pre_head(x).squeeze([2, 3])
        return x if pre_logits else self.head(x)

    def stage_prefixes(self) -> dict[str, tuple[str, ...]]:
        return {
            "stem": ("patch_embed",),
            "stage1": ("stages.0",),
            "stage2": ("stages.1", "stages.2"),
            "stage3": ("stages.3", "stages.4"),
            "stage4": ("stages.5", "stages.6"),
            "head": ("avgpool_pre_head", "head"),
        }


# ---- variants ----------------------------------------------------------------------------------


@hookimpl
def clsctl_architectures() -> list[Architecture]:
    return [
        Architecture(name, "2023: partial convolutions", partial(FasterNet, **config))
        for name, config in CONFIGS.items()
    ]
