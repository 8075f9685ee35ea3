"""ResNet: residual networks, and their `_vd` form.

"Deep Residual Learning for Image Recognition", He et al. 2015, arXiv:1512.03385; the `_vd` form is
ResNet-D of "Bag of Tricks for Image Classification with Convolutional Neural Networks", He et al.
2018, arXiv:1812.01187.

A bottleneck strides in its 3x3 convolution, not in its first 1x1. The first block of every stage
projects its shortcut, also in the first stage of ResNet-18 and -34 where the identity would fit.
The `_vd` form begins with three 3x3 convolutions instead of one 7x7, and halves a shortcut by
average pooling before a 1x1 convolution of stride 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from paddle import Tensor, nn
from paddle.nn import functional as F
from paddle.nn.initializer import Uniform

from clsctl.networks.base import Network, conv_bn, numbered_stages
from clsctl.plugin import Architecture, hookimpl

# ---- configurations ----------------------------------------------------------------------------

CONFIGS: dict[str, dict[str, Any]] = {
    "ResNet18": {"depths": (2, 2, 2, 2), "bottleneck": False, "vd": False},
    "ResNet18_vd": {"depths": (2, 2, 2, 2), "bottleneck": False, "vd": True},
    "ResNet34": {"depths": (3, 4, 6, 3), "bottleneck": False, "vd": False},
    "ResNet34_vd": {"depths": (3, 4, 6, 3), "bottleneck": False, "vd": True},
    "ResNet50": {"depths": (3, 4, 6, 3), "bottleneck": True, "vd": False},
    "ResNet50_vd": {"depths": (3, 4, 6, 3), "bottleneck": True, "vd": True},
    "ResNet101": {"depths": (3, 4, 23, 3), "bottleneck": True, "vd": False},
    "ResNet101_vd": {"depths": (3, 4, 23, 3), "bottleneck": True, "vd": True},
    "ResNet152": {"depths": (3, 8, 36, 3), "bottleneck": True, "vd": False},
    "ResNet152_vd": {"depths": (3, 8, 36, 3), "bottleneck": True, "vd": True},
    "ResNet200_vd": {"depths": (3, 12, 48, 3), "bottleneck": True, "vd": True},
}

STEM_WIDTH = 64
STAGE_WIDTHS = (64, 128, 256, 512)


# ---- blocks ------------------------------------------------------------------------------------


class BasicBlock(nn.Layer):
    """Two 3x3 convolutions beside a shortcut."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int, short: nn.Layer) -> None:
        super().__init__()
        self.conv0 = conv_bn(in_channels, width, 3, stride, act=nn.ReLU)
        self.conv1 = conv_bn(width, width, 3)
        self.short = short

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv1(self.conv0(x)) + self.short(x))


class Bottleneck(nn.Layer):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut; the last one widens fourfold."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int, short: nn.Layer) -> None:
        super().__init__()
        self.conv0 = conv_bn(in_channels, width, 1, act=nn.ReLU)
        self.conv1 = conv_bn(width, width, 3, stride, act=nn.ReLU)
        self.conv2 = conv_bn(width, width * self.expansion, 1)
        self.short = short

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv2(self.conv1(self.conv0(x))) + self.short(x))


def stem_convolutions(vd: bool) -> nn.Sequential:
    """From 3 to `STEM_WIDTH` channels at half the resolution."""
    if not vd:
        return nn.Sequential(conv_bn(3, STEM_WIDTH, 7, stride=2, act=nn.ReLU))
    return nn.Sequential(
        conv_bn(3, STEM_WIDTH // 2, 3, stride=2, act=nn.ReLU),
        conv_bn(STEM_WIDTH // 2, STEM_WIDTH // 2, 3, act=nn.ReLU),
        conv_bn(STEM_WIDTH // 2, STEM_WIDTH, 3, act=nn.ReLU),
    )


def projection(in_channels: int, out_channels: int, stride: int, vd: bool) -> nn.Sequential:
    """The shortcut of a stage's first block."""
    if not vd or stride == 1:
        return conv_bn(in_channels, out_channels, 1, stride)
    # At an odd size the last row and column are averaged over the pixels that are there.
    pool = nn.AvgPool2D(2, stride=2, padding="SAME")
    return nn.Sequential(("pool", pool), *conv_bn(in_channels, out_channels, 1).named_children())


# ---- network -----------------------------------------------------------------------------------


class ResNet(Network):
    """A residual network.

    Args:
        num_classes: Length of the logits.
        depths: Blocks in each of the four stages.
        bottleneck: Whether blocks are bottlenecks, or else pairs of 3x3 convolutions.
        vd: Whether stem and shortcuts are those of ResNet-D.
    """

    head_name = "fc"
    channels_last = True

    def __init__(
        self, num_classes: int = 1000, *, depths: Sequence[int], bottleneck: bool, vd: bool
    ) -> None:
        super().__init__()
        block = Bottleneck if bottleneck else BasicBlock
        self.depths = tuple(depths)
        self.num_features = STAGE_WIDTHS[-1] * block.expansion
        self.stem = stem_convolutions(vd)
        self.max_pool = nn.MaxPool2D(3, stride=2, padding=1)
        self.blocks = nn.Sequential()
        channels = STEM_WIDTH
        for stage, (width, depth) in enumerate(zip(STAGE_WIDTHS, depths, strict=True)):
            out_channels, stride = width * block.expansion, 2 if stage > 0 else 1
            short = projection(channels, out_channels, stride, vd)
            self.blocks.append(block(channels, width, stride, short))
            for _ in range(depth - 1):
                self.blocks.append(block(out_channels, width, 1, nn.Identity()))
            channels = out_channels
        bound = self.num_features**-0.5
        self.fc = nn.Linear(self.num_features, num_classes, weight_attr=Uniform(-bound, bound))

    def forward_features(self, x: Tensor) -> Tensor:
        features: Tensor = self.blocks(self.max_pool(self.stem(x)))
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = F.adaptive_avg_pool2d(x, 1).squeeze([2, 3])
        return x if pre_logits else self.fc(x)

    def stage_prefixes(self) -> dict[str, tuple[str, ...]]:
        return {"stem": ("stem",), **numbered_stages(self.depths), "head": ("fc",)}


# ---- variants ----------------------------------------------------------------------------------


@hookimpl
def clsctl_architectures() -> list[Architecture]:
    return [
        Architecture(name, summary(**config), partial(ResNet, **config))
        for name, config in CONFIGS.items()
    ]


def summary(depths: Sequence[int], bottleneck: bool, vd: bool) -> str:
    layers = 2 + sum(depths) * (3 if bottleneck else 2)
    refined = "2018: residual network with a deeper stem and pooled shortcuts"
    return f"{refined if vd else '2015: residual network'}, {layers} layers"
