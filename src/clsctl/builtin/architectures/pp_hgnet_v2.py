"""PP-HGNetV2: PP-HGNet with a two-branch stem and light convolutions in its deep stages.

PaddlePaddle 2023; there is no paper. "DETRs Beat YOLOs on Real-time Object Detection", Zhao et al.
2023, arXiv:2304.08069, uses it as a backbone.

The block aggregates in two steps, squeezing to half the channels before exciting to all of them. In
the two deep stages a light convolution, pointwise without activation and then depthwise 5x5, takes
the place of each 3x3 one. The stem's 2x2 convolutions and pooling keep the map's size by padding at
the bottom and right. B0 to B3 follow every activation by one learnt scale and offset, so maps may
be negative there, and zeros would not do as the padding of that pooling.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F
from paddle.nn.initializer import Constant, KaimingNormal

from clsctl.networks.base import Network, conv_bn, stage
from clsctl.plugin import Architecture, hookimpl

# ---- configurations ----------------------------------------------------------------------------

# stem: channels inside and after the stem; layers: convolutions in a block;
# stages: channels inside a block, channels after it, number of blocks.
CONFIGS: dict[str, dict[str, Any]] = {
    "PP-HGNetV2-B0": {
        "stem": (16, 16),
        "layers": 3,
        "stages": ((16, 64, 1), (32, 256, 1), (64, 512, 2), (128, 1024, 1)),
        "affine": True,
    },
    "PP-HGNetV2-B1": {
        "stem": (24, 32),
        "layers": 3,
        "stages": ((32, 64, 1), (48, 256, 1), (96, 512, 2), (192, 1024, 1)),
        "affine": True,
    },
    "PP-HGNetV2-B2": {
        "stem": (24, 32),
        "layers": 4,
        "stages": ((32, 96, 1), (64, 384, 1), (128, 768, 3), (256, 1536, 1)),
        "affine": True,
    },
    "PP-HGNetV2-B3": {
        "stem": (24, 32),
        "layers": 5,
        "stages": ((32, 128, 1), (64, 512, 1), (128, 1024, 3), (256, 2048, 1)),
        "affine": True,
    },
    "PP-HGNetV2-B4": {
        "stem": (32, 48),
        "layers": 6,
        "stages": ((48, 128, 1), (96, 512, 1), (192, 1024, 3), (384, 2048, 1)),
    },
    "PP-HGNetV2-B5": {
        "stem": (32, 64),
        "layers": 6,
        "stages": ((64, 128, 1), (128, 512, 2), (256, 1024, 5), (512, 2048, 2)),
    },
    "PP-HGNetV2-B6": {
        "stem": (48, 96),
        "layers": 6,
        "stages": ((96, 192, 2), (192, 512, 3), (384, 1024, 6), (768, 2048, 3)),
    },
}

FIRST_LIGHT_STAGE = 2


# ---- blocks ------------------------------------------------------------------------------------


class LearnableAffine(nn.Layer):
    """One learnt scale and one offset for the whole map."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = self.create_parameter([1], default_initializer=Constant(1.0))
        self.bias = self.create_parameter([1], is_bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x + self.bias


def conv_relu(
    in_channels: int,
    out_channels: int,
    kernel: int,
    affine: bool,
    *,
    stride: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU and, where asked, the affine layer `lab`."""
    layer = conv_bn(in_channels, out_channels, kernel, stride, groups, act=nn.ReLU)
    if affine:
        layer.add_sublayer("lab", LearnableAffine())
    return layer


def light_conv(in_channels: int, out_channels: int, affine: bool) -> nn.Sequential:
    """A pointwise convolution without activation, then a depthwise 5x5 one."""
    pointwise = conv_bn(in_channels, out_channels, 1)
    depthwise = conv_relu(out_channels, out_channels, 5, affine, groups=out_channels)
    return nn.Sequential(("conv1", pointwise), ("conv2", depthwise))


class Stem(nn.Layer):
    """Quarters the map; between its strides a pooled branch runs beside a convolved one."""

    channel_axis = 1

    def __init__(self, mid_channels: int, out_channels: int, affine: bool) -> None:
        super().__init__()
        half = mid_channels // 2
        self.stem1 = conv_relu(3, mid_channels, 3, affine, stride=2)
        self.stem2a = conv_relu(mid_channels, half, 2, affine)
        self.stem2b = conv_relu(half, mid_channels, 2, affine)
        self.stem3 = conv_relu(2 * mid_channels, mid_channels, 3, affine, stride=2)
        self.stem4 = conv_relu(mid_channels, out_channels, 1, affine)
        self.pool = nn.MaxPool2D(2, stride=1, padding=[0, 1, 0, 1])

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem1(x)
        x = paddle.concat([self.pool(x), self.stem2b(self.stem2a(x))], self.channel_axis)
        out: Tensor = self.stem4(self.stem3(x))
        return out


class Block(nn.Layer):
    """A chain of convolutions, all of it aggregated."""

    channel_axis = 1

    def __init__(
        self,
        in_channels: int,
        mid_channels: int,
        out_channels: int,
        layers: int,
        *,
        light: bool,
        affine: bool,
    ) -> None:
        super().__init__()
        self.shortcut = in_channels == out_channels
        widths = [in_channels, *[mid_channels] * layers]
        layer: Callable[..., nn.Layer] = light_conv if light else partial(conv_relu, kernel=3)
        self.layers = nn.LayerList(
            [layer(width, mid_channels, affine=affine) for width in widths[:-1]]
        )
        half = out_channels // 2
        self.aggregation_squeeze_conv = conv_relu(sum(widths), half, 1, affine)
        self.aggregation_excitation_conv = conv_relu(half, out_channels, 1, affine)

    def forward(self, x: Tensor) -> Tensor:
        outputs = [x]
        for layer in self.layers:
            outputs.append(layer(outputs[-1]))
        out: Tensor = self.aggregation_squeeze_conv(paddle.concat(outputs, self.channel_axis))
        out = self.aggregation_excitation_conv(out)
        return out + x if self.shortcut else out


# ---- network -----------------------------------------------------------------------------------


class PPHGNetV2(Network):
    """PP-HGNetV2 for images [N, 3, H, W] of any size from 32 pixels up.

    Args:
        num_classes: Length of the logits.
        stem: Channels inside and after the stem.
        layers: Convolutions in the chain of every block.
        stages: Channels inside the blocks, channels after them and number of blocks, by stage.
        affine: Follow every activation by a learnt scale and offset.
        dropout: Share of the embedding that is dropped before the classifier.
    """

    num_features = 2048
    head_name = "fc"
    channels_last = True

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        stem: tuple[int, int],
        layers: int,
        stages: tuple[tuple[int, int, int], ...],
        affine: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.stem = Stem(*stem, affine)
        channels = stem[-1]
        body: list[nn.Layer] = []
        for number, (mid_channels, out_channels, depth) in enumerate(stages):
            block = partial(
                Block,
                mid_channels=mid_channels,
                out_channels=out_channels,
                layers=layers,
                light=number >= FIRST_LIGHT_STAGE,
                affine=affine,
            )
            body.append(stage(block, channels, out_channels, depth, halve=number > 0))
            channels = out_channels
        self.stages = nn.Sequential(*body)
        self.last_conv = nn.Conv2D(
            channels, self.num_features, 1, weight_attr=KaimingNormal(), bias_attr=False
        )
        self.act = nn.ReLU()
        self.lab = LearnableAffine() if affine else nn.Identity()
        self.dropout = nn.Dropout(dropout, mode="downscale_in_infer")
        self.fc = nn.Linear(self.num_features, num_classes)

    def forward_features(self, x: Tensor) -> Tensor:
        features: Tensor = self.stages(self.stem(x))
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = self.lab(self.act(self.last_conv(F.adaptive_avg_pool2d(x, 1))))
        x = self.dropout(x.squeeze([2, 3]))
        return x if pre_logits else self.fc(x)

    def stage_prefixes(self) -> dict[str, tuple[str, ...]]:
        bodies = {f"stage{number}": (f"stages.{number - 1}",) for number in range(1, 5)}
        return {"stem": ("stem",), **bodies, "head": ("last_conv", "lab", "fc")}


# ---- variants ----------------------------------------------------------------------------------


@hookimpl
def clsctl_architectures() -> list[Architecture]:
    return [
        Architecture(
            name,
            "2023: aggregated chains of light convolutions for GPUs",
            partial(PPHGNetV2, **config),
        )
        for name, config in CONFIGS.items()
    ]
