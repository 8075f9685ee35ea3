"""MobileNetV2: inverted residuals with linear bottlenecks.

"MobileNetV2: Inverted Residuals and Linear Bottlenecks", Sandler et al. 2018, arXiv:1801.04381.
The block's narrow ends carry the shortcut and have no activation; ReLU6 follows its other two
convolutions. The first block expands by 1 and still has its 1x1 expansion. Widths are scaled and
cut to an integer, not rounded to a multiple of 8; the last convolution never gets narrower than
1280 channels.
"""

from __future__ import annotations

from functools import partial

from paddle import Tensor, nn
from paddle.nn import functional as F

from clsctl.networks.base import Network, conv_bn
from clsctl.plugin import Architecture, hookimpl

# ---- configurations ----------------------------------------------------------------------------

SCALES = {
    "MobileNetV2_x0_25": 0.25,
    "MobileNetV2_x0_5": 0.5,
    "MobileNetV2_x1_0": 1.0,
    "MobileNetV2_x1_5": 1.5,
    "MobileNetV2_x2_0": 2.0,
}

STEM_WIDTH = 32
LAST_WIDTH = 1280

# The paper's table 2, and the name of each group: expansion, width, blocks, stride of the first.
GROUPS = {
    "conv2": (1, 16, 1, 1),
    "conv3": (6, 24, 2, 2),
    "conv4": (6, 32, 3, 2),
    "conv5": (6, 64, 4, 2),
    "conv6": (6, 96, 3, 1),
    "conv7": (6, 160, 3, 2),
    "conv8": (6, 320, 1, 1),
}


# ---- blocks ------------------------------------------------------------------------------------


def conv_bn_act(
    in_channels: int,
    out_channels: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    act: type[nn.Layer] | None = nn.ReLU6,
) -> nn.Sequential:
    """`conv_bn` under the names of the published checkpoints."""
    layers = conv_bn(in_channels, out_channels, kernel, stride, groups, act).children()
    return nn.Sequential(*zip(("_conv", "_batch_norm", "_act"), layers, strict=False))


class InvertedResidual(nn.Layer):
    """Widens by a 1x1 convolution, filters each channel by itself, and narrows linearly."""

    def __init__(self, in_channels: int, out_channels: int, expansion: int, stride: int) -> None:
        super().__init__()
        width = in_channels * expansion
        self.residual = stride == 1 and in_channels == out_channels
        self._expand_conv = conv_bn_act(in_channels, width, 1)
        self._bottleneck_conv = conv_bn_act(width, width, 3, stride, groups=width)
        self._linear_conv = conv_bn_act(width, out_channels, 1, act=None)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self._linear_conv(self._bottleneck_conv(self._expand_conv(x)))
        return x + y if self.residual else y


def block_group(
    name: str, in_channels: int, out_channels: int, expansion: int, depth: int, stride: int
) -> nn.Sequential:
    """Equal blocks, of which only the first may stride: `_first_block`, `<name>_2` ..."""
    group = nn.Sequential()
    first = InvertedResidual(in_channels, out_channels, expansion, stride)
    group.add_sublayer("_first_block", first)
    for number in range(2, depth + 1):
        block = InvertedResidual(out_channels, out_channels, expansion, 1)
        group.add_sublayer(f"{name}_{number}", block)
    return group


# ---- network -----------------------------------------------------------------------------------


class MobileNetV2(Network):
    """The stack of the paper's table 2.

    Args:
        num_classes: Length of the logits.
        scale: Factor on every width.
    """

    head_name = "out"
    channels_last = True

    def __init__(self, num_classes: int = 1000, *, scale: float = 1.0) -> None:
        super().__init__()
        channels = int(STEM_WIDTH * scale)
        self.num_features = int(LAST_WIDTH * max(1.0, scale))
        self.conv1 = conv_bn_act(3, channels, 3, stride=2)
        for name, (expansion, width, depth, stride) in GROUPS.items():
            group = block_group(name, channels, int(width * scale), expansion, depth, stride)
            self.add_sublayer(name, group)
            channels = int(width * scale)
        self.conv9 = conv_bn_act(channels, self.num_features, 1)
        self.out = nn.Linear(self.num_features, num_classes)

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        for name in GROUPS:
            x = getattr(self, name)(x)
        features: Tensor = self.conv9(x)
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = F.adaptive_avg_pool2d(x, 1).squeeze([2, 3])
        return x if pre_logits else self.out(x)

    def stage_prefixes(self) -> dict[str, tuple[str, ...]]:
        return {
            "stem": ("conv1",),
            "stage1": ("conv2",),
            "stage2": ("conv3",),
            "stage3": ("conv4",),
            "stage4": ("conv5", "conv6"),
            "stage5": ("conv7", "conv8", "conv9"),
            "head": ("out",),
        }


# ---- variants ----------------------------------------------------------------------------------


@hookimpl
def clsctl_architectures() -> list[Architecture]:
    return [
        Architecture(
            name,
            f"2018: inverted residuals, width x{scale:g}",
            partial(MobileNetV2, scale=scale),
        )
        for name, scale in SCALES.items()
    ]
