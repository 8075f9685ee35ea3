"""StarNet: features multiplied element by element.

"Rewrite the Stars", Ma et al. 2024, arXiv:2403.19967.

A block widens its input twice with two 1x1 convolutions and multiplies the results, the first one
after ReLU6: the "star operation", which raises the features to a higher order without a wider
network. Every convolution has a bias, also those before batch normalisation. The last depthwise
convolution and the two that are multiplied are not normalised.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from paddle import Tensor, nn
from paddle.nn import functional as F
from paddle.nn.initializer import Constant, TruncatedNormal

from clsctl.networks.base import DropPath, Network, drop_path_rates
from clsctl.plugin import Architecture, hookimpl

# ---- configurations ----------------------------------------------------------------------------

CONFIGS: dict[str, dict[str, Any]] = {
    "StarNet-S1": {"width": 24, "depths": (2, 2, 8, 3), "drop_path_rate": 0.0},
    "StarNet-S2": {"width": 32, "depths": (1, 2, 6, 2), "drop_path_rate": 0.01},
    "StarNet-S3": {"width": 32, "depths": (2, 2, 8, 4), "drop_path_rate": 0.01},
    "StarNet-S4": {"width": 32, "depths": (3, 3, 12, 5), "drop_path_rate": 0.02},
}

STEM_WIDTH = 32


# ---- blocks ------------------------------------------------------------------------------------


def conv(
    in_channels: int,
    out_channels: int,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    norm: bool = True,
) -> nn.Sequential:
    """Convolution `conv` that keeps the size, save for the stride, and batch normalisation `bn`."""
    convolution = nn.Conv2D(
        in_channels,
        out_channels,
        kernel,
        stride=stride,
        padding=kernel // 2,
        groups=groups,
        weight_attr=TruncatedNormal(std=0.02),
        bias_attr=Constant(0.0),
    )
    bn = [("bn", nn.BatchNorm2D(out_channels))] if norm else []
    return nn.Sequential(("conv", convolution), *bn)


class Block(nn.Layer):
    """The star operation between two 7x7 depthwise convolutions, beside a shortcut."""

    def __init__(self, channels: int, drop_path_rate: float) -> None:
        super().__init__()
        hidden = 4 * channels
        self.dwconv = conv(channels, channels, 7, groups=channels)
        self.f1 = conv(channels, hidden, norm=False)
        self.f2 = conv(channels, hidden, norm=False)
        self.g = conv(hidden, channels)
        self.dwconv2 = conv(channels, channels, 7, groups=channels, norm=False)
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.dwconv(x)
        star = F.relu6(self.f1(mixed)) * self.f2(mixed)
        branch: Tensor = self.drop_path(self.dwconv2(self.g(star)))
        return x + branch


# ---- network -----------------------------------------------------------------------------------


class StarNet(Network):
    """A StarNet.

    Args:
        num_classes: Length of the logits.
        width: Channels of the first stage; each later stage has twice those of the one before.
        depths: Blocks in each stage.
        drop_path_rate: Stochastic depth of the last block; it grows linearly from 0.
    """

    head_name = "head"
    channels_last = True
    decays_vectors = False

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        width: int,
        depths: Sequence[int],
        drop_path_rate: float,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, STEM_WIDTH, 3, stride=2), nn.ReLU6())
        layers = nn.Sequential()
        channels = STEM_WIDTH
        for stage, rates in enumerate(drop_path_rates(drop_path_rate, depths)):
            out_channels = width << stage
            blocks = (Block(out_channels, rate) for rate in rates)
            layers.append(nn.Sequential(conv(channels, out_channels, 3, stride=2), *blocks))
            channels = out_channels
        self.stages = layers
        self.norm = nn.BatchNorm2D(channels)
        self.num_features = channels
        self.head = nn.Linear(channels, num_classes, weight_attr=TruncatedNormal(std=0.02))

    def forward_features(self, x: Tensor) -> Tensor:
        for layer in (self.stem, self.stages, self.norm):
            x = layer(x)
        return x

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = F.adaptive_avg_pool2d(x, 1).squeeze([2, 3])
        return x if pre_logits else self.head(x)

    def stage_prefixes(self) -> dict[str, tuple[str, ...]]:
        return {
            "stem": ("stem",),
            **{f"stage{number + 1}": (f"stages.{number}",) for number in range(4)},
            "head": ("norm", "head"),
        }


# ---- variants ----------------------------------------------------------------------------------


@hookimpl
def clsctl_architectures() -> list[Architecture]:
    return [
        Architecture(name, "2024: feature maps multiplied together", partial(StarNet, **config))
        for name, config in CONFIGS.items()
    ]
