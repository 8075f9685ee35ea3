"""ConvNeXt: a residual network redrawn after the Swin Transformer.

"A ConvNet for the 2020s", Liu et al. 2022, arXiv:2201.03545.

The stem cuts 4x4 patches; stages are inverted bottlenecks around a 7x7 depthwise convolution, with
LayerNorm and GELU once a block and a learnt scale `gamma` that starts near zero on every residual
branch. Every LayerNorm has epsilon 1e-6, those of the stem and between the stages, which normalise
the channels of a map, included.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

from paddle import Tensor, nn
from paddle.nn import functional as F
from paddle.nn.initializer import Constant, TruncatedNormal

from clsctl.networks.base import DropPath, Network, drop_path_rates
from clsctl.plugin import Architecture, hookimpl

# ---- configurations ----------------------------------------------------------------------------

TINY = {"depths": (3, 3, 9, 3), "widths": (96, 192, 384, 768)}
SMALL = {"depths": (3, 3, 27, 3), "widths": (96, 192, 384, 768)}
BASE = {"depths": (3, 3, 27, 3), "widths": (128, 256, 512, 1024)}
LARGE = {"depths": (3, 3, 27, 3), "widths": (192, 384, 768, 1536)}

# The paper trains small, base and large with drop_path_rate 0.4, 0.5 and 0.5; PaddleClas, whose
# checkpoints these are, uses 0.1 for all, the default below.
CONFIGS: dict[str, dict[str, Any]] = {
    "ConvNeXt_tiny": TINY,
    "ConvNeXt_small": SMALL,
    "ConvNeXt_base_224": BASE,
    "ConvNeXt_base_384": BASE,
    "ConvNeXt_large_224": LARGE,
    "ConvNeXt_large_384": LARGE,
}

EPSILON = 1e-6


# ---- blocks ------------------------------------------------------------------------------------


class MapNorm(nn.LayerNorm):
    """LayerNorm over the channels of a map [N, C, H, W]."""

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(x.transpose([0, 2, 3, 1]))
        return x.transpose([0, 3, 1, 2])


class Block(nn.Layer):
    """7x7 depthwise convolution, then two 1x1 convolutions written as linear layers."""

    def __init__(self, width: int, drop_path_rate: float, scale: float) -> None:
        super().__init__()
        self.gamma = self.create_parameter([width], default_initializer=Constant(scale))
        self.dwconv = conv(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, epsilon=EPSILON)
        self.pwconv1 = linear(width, 4 * width)
        self.act = nn.GELU()
        self.pwconv2 = linear(4 * width, width)
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        branch: Tensor = self.norm(self.dwconv(x).transpose([0, 2, 3, 1]))
        branch = self.gamma * self.pwconv2(self.act(self.pwconv1(branch)))
        branch = self.drop_path(branch.transpose([0, 3, 1, 2]))
        return x + branch


def conv(
    in_channels: int,
    out_channels: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
) -> nn.Conv2D:
    return nn.Conv2D(
        in_channels,
        out_channels,
        kernel,
        stride=stride,
        padding=padding,
        groups=groups,
        weight_attr=TruncatedNormal(std=0.02),
        bias_attr=Constant(0.0),
    )


def linear(in_features: int, out_features: int) -> nn.Linear:
    return nn.Linear(in_features, out_features, weight_attr=TruncatedNormal(std=0.02))


def downsample(in_channels: int, out_channels: int) -> nn.Sequential:
    """Halves the map between two stages."""
    return nn.Sequential(
        MapNorm(in_channels, epsilon=EPSILON), conv(in_channels, out_channels, 2, stride=2)
    )


# ---- network -----------------------------------------------------------------------------------


class ConvNeXt(Network):
    """ConvNeXt for images [N, 3, H, W] of at least 32 x 32 pixels.

    Args:
        num_classes: Length of the logits.
        depths: Blocks in each stage.
        widths: Channels of each stage.
        drop_path_rate: Stochastic depth of the last block; the first has none.
        layer_scale: Initial value of every `gamma`.
    """

    head_name = "head"
    decays_vectors = False

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        depths: tuple[int, ...],
        widths: tuple[int, ...],
        drop_path_rate: float = 0.1,
        layer_scale: float = 1e-6,
    ) -> None:
        super().__init__()
        self.num_features = widths[-1]
        stem = nn.Sequential(conv(3, widths[0], 4, stride=4), MapNorm(widths[0], epsilon=EPSILON))
        between = [downsample(*pair) for pair in pairwise(widths)]
        self.downsample_layers = nn.LayerList([stem, *between])
        rates = drop_path_rates(drop_path_rate, depths)
        bodies = [
            nn.Sequential(*(Block(width, rate, layer_scale) for rate in stage_rates))
            for width, stage_rates in zip(widths, rates, strict=True)
        ]
        self.stages = nn.LayerList(bodies)
        self.norm = nn.LayerNorm(widths[-1], epsilon=EPSILON)
        self.head = linear(widths[-1], num_classes)

    def forward_features(self, x: Tensor) -> Tensor:
        # Not by zip: exporting to a static graph knows no `strict`.
        for stage, shrink in enumerate(self.downsample_layers):
            x = self.stages[stage](shrink(x))
        return x

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = self.norm(F.adaptive_avg_pool2d(x, 1).squeeze([2, 3]))
        return x if pre_logits else self.head(x)

    def stage_prefixes(self) -> dict[str, tuple[str, ...]]:
        later = {
            f"stage{n + 1}": (f"downsample_layers.{n}", f"stages.{n}")
            for n in range(1, len(self.downsample_layers))
        }
        first = {"stem": ("downsample_layers.0",), "stage1": ("stages.0",)}
        return {**first, **later, "head": ("norm", "head")}


# ---- variants ----------------------------------------------------------------------------------


@hookimpl
def clsctl_architectures() -> list[Architecture]:
    return [
        Architecture(name, summary(**config), partial(ConvNeXt, **config))
        for name, config in CONFIGS.items()
    ]


def summary(depths: tuple[int, ...], widths: tuple[int, ...]) -> str:
    return f"2022: {sum(depths)} inverted bottlenecks of {widths[0]} to {widths[-1]} channels"
