"""MobileNetV3: searched inverted residuals with squeeze-and-excitation and hard-swish.

"Searching for MobileNetV3", Howard et al. 2019, arXiv:1905.02244. Every block has its 1x1
expansion, also where that expands by 1. The gate of squeeze-and-excitation is a hard sigmoid of
slope 0.2, not 1/6. The last convolution comes after the pooling, has no normalisation, and its
1280 channels are never scaled. The dropout before the classifier is of the mode
`downscale_in_infer`: it multiplies by 1 - p at inference and only masks in training.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import Any

from paddle import Tensor, nn
from paddle.nn import functional as F

from clsctl.networks.base import Network, SqueezeExcite, conv_bn, make_divisible, numbered_stages
from clsctl.plugin import Architecture, hookimpl

# ---- configurations ----------------------------------------------------------------------------

RE, HS = nn.ReLU, nn.Hardswish
Row = tuple[int, int, int, bool, type[nn.Layer], int]

# The paper's tables 1 and 2, a tuple per stage. The columns of a row are:
# kernel, expanded channels, output channels, squeeze-and-excitation, activation, stride.
LARGE: tuple[tuple[Row, ...], ...] = (
    ((3, 16, 16, False, RE, 1),),
    ((3, 64, 24, False, RE, 2), (3, 72, 24, False, RE, 1)),
    ((5, 72, 40, True, RE, 2), (5, 120, 40, True, RE, 1), (5, 120, 40, True, RE, 1)),
    (
        (3, 240, 80, False, HS, 2),
        (3, 200, 80, False, HS, 1),
        (3, 184, 80, False, HS, 1),
        (3, 184, 80, False, HS, 1),
        (3, 480, 112, True, HS, 1),
        (3, 672, 112, True, HS, 1),
    ),
    ((5, 672, 160, True, HS, 2), (5, 960, 160, True, HS, 1), (5, 960, 160, True, HS, 1)),
)

SMALL: tuple[tuple[Row, ...], ...] = (
    ((3, 16, 16, True, RE, 2),),
    ((3, 72, 24, False, RE, 2), (3, 88, 24, False, RE, 1)),
    (
        (5, 96, 40, True, HS, 2),
        (5, 240, 40, True, HS, 1),
        (5, 240, 40, True, HS, 1),
        (5, 120, 48, True, HS, 1),
        (5, 144, 48, True, HS, 1),
    ),
    ((5, 288, 96, True, HS, 2), (5, 576, 96, True, HS, 1), (5, 576, 96, True, HS, 1)),
)

CONFIGS: dict[str, dict[str, Any]] = {
    "MobileNetV3_large_x0_35": {"rows": LARGE, "scale": 0.35},
    "MobileNetV3_large_x0_5": {"rows": LARGE, "scale": 0.5},
    "MobileNetV3_large_x0_75": {"rows": LARGE, "scale": 0.75},
    "MobileNetV3_large_x1_0": {"rows": LARGE, "scale": 1.0},
    "MobileNetV3_large_x1_25": {"rows": LARGE, "scale": 1.25},
    "MobileNetV3_small_x0_35": {"rows": SMALL, "scale": 0.35},
    "MobileNetV3_small_x0_5": {"rows": SMALL, "scale": 0.5},
    "MobileNetV3_small_x0_75": {"rows": SMALL, "scale": 0.75},
    "MobileNetV3_small_x1_0": {"rows": SMALL, "scale": 1.0},
    "MobileNetV3_small_x1_25": {"rows": SMALL, "scale": 1.25},
}

STEM_WIDTH = 16
LAST_WIDTH = 1280


# ---- blocks ------------------------------------------------------------------------------------


class HardSigmoid(nn.Layer):
    """A hard sigmoid of slope 0.2; `nn.Hardsigmoid` has the slope 1/6."""

    def forward(self, x: Tensor) -> Tensor:
        return F.hardsigmoid(x, slope=0.2, offset=0.5)


class InvertedResidual(nn.Layer):
    """Widens by a 1x1 convolution, filters each channel by itself, weighs and narrows linearly."""

    def __init__(
        self,
        in_channels: int,
        expanded: int,
        out_channels: int,
        kernel: int,
        stride: int,
        excite: bool,
        act: type[nn.Layer],
    ) -> None:
        super().__init__()
        self.residual = stride == 1 and in_channels == out_channels
        self.expand_conv = conv_bn(in_channels, expanded, 1, act=act)
        self.bottleneck_conv = conv_bn(expanded, expanded, kernel, stride, expanded, act)
        self.mid_se = SqueezeExcite(expanded, HardSigmoid) if excite else nn.Identity()
        self.linear_conv = conv_bn(expanded, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bottleneck_conv(self.expand_conv(x))
        y = self.linear_conv(self.mid_se(y))
        return x + y if self.residual else y


# ---- network -----------------------------------------------------------------------------------


class MobileNetV3(Network):
    """The large or the small network of the paper.

    Args:
        num_classes: Length of the logits.
        rows: One of the tables above.
        scale: Factor on every width but the last, rounded to multiples of 8.
        dropout: Share of the classifier's inputs that training drops.
    """

    head_name = "fc"
    channels_last = True
    num_features = LAST_WIDTH

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        rows: tuple[tuple[Row, ...], ...],
        scale: float = 1.0,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.depths = [len(stage) for stage in rows]
        channels = make_divisible(STEM_WIDTH * scale)
        self.conv = conv_bn(3, channels, 3, stride=2, act=HS)
        self.blocks = nn.Sequential()
        for kernel, expanded, out_channels, excite, act, stride in chain.from_iterable(rows):
            hidden, width = make_divisible(expanded * scale), make_divisible(out_channels * scale)
            block = InvertedResidual(channels, hidden, width, kernel, stride, excite, act)
            self.blocks.append(block)
            channels = width
        # The convolution after the last block is as wide as that block inside.
        self.last_second_conv = conv_bn(channels, hidden, 1, act=HS)
        self.last_conv = nn.Conv2D(hidden, LAST_WIDTH, 1, bias_attr=False)
        self.dropout = nn.Dropout(dropout, mode="downscale_in_infer")
        self.fc = nn.Linear(LAST_WIDTH, num_classes)

    def forward_features(self, x: Tensor) -> Tensor:
        features: Tensor = self.last_second_conv(self.blocks(self.conv(x)))
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = F.hardswish(self.last_conv(F.adaptive_avg_pool2d(x, 1)))
        x = self.dropout(x.squeeze([2, 3]))
        return x if pre_logits else self.fc(x)

    def stage_prefixes(self) -> dict[str, tuple[str, ...]]:
        stages = numbered_stages(self.depths)
        *_, last = stages
        stages[last] += ("last_second_conv",)
        return {"stem": ("conv",), **stages, "head": ("last_conv", "fc")}


# ---- variants ----------------------------------------------------------------------------------


@hookimpl
def clsctl_architectures() -> list[Architecture]:
    return [
        Architecture(
            name,
            f"2019: searched inverted residuals, width x{config['scale']:g}",
            partial(MobileNetV3, **config),
        )
        for name, config in CONFIGS.items()
    ]
