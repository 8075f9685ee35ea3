"""PP-HGNet: blocks of plain 3x3 convolutions whose outputs are all aggregated, for GPUs.

PaddlePaddle 2022; there is no paper. The block is that of VoVNet with effective
squeeze-and-excitation: "CenterMask", Lee and Park 2019, arXiv:1911.06667.

A block chains 3x3 convolutions, concatenates its input and every convolution's output, and mixes
them by a 1x1 convolution. It adds its input where the channels agree, which they do from a stage's
second block on. A stage, the first one excepted, begins with a strided depthwise convolution that
has no activation. The dropout of PP-HGNet_base does not rescale while training, so it multiplies
by 0.8 in evaluation.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F
from paddle.nn.initializer import KaimingNormal

from clsctl.networks.base import Network, ScaleChannels, conv_bn, stage
from clsctl.plugin import Architecture, hookimpl

# ---- configurations ----------------------------------------------------------------------------

# stem: output channels of its three convolutions; layers: 3x3 convolutions in a block;
# stages: channels inside a block, channels after it, number of blocks.
CONFIGS: dict[str, dict[str, Any]] = {
    "PP-HGNet_tiny": {
        "stem": (48, 48, 96),
        "layers": 5,
        "stages": ((96, 224, 1), (128, 448, 1), (160, 512, 2), (192, 768, 1)),
    },
    "PP-HGNet_small": {
        "stem": (64, 64, 128),
        "layers": 6,
        "stages": ((128, 256, 1), (160, 512, 1), (192, 768, 2), (224, 1024, 1)),
    },
    "PP-HGNet_base": {
        "stem": (96, 96, 160),
        "layers": 7,
        "stages": ((192, 320, 1), (224, 640, 2), (256, 960, 3), (288, 1280, 2)),
        "dropout": 0.2,
    },
}


# ---- blocks ------------------------------------------------------------------------------------


class Attention(nn.Layer):
    """Effective squeeze-and-excitation: scale channels by one layer's view of their means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2D(1)
        self.conv = nn.Conv2D(channels, channels, 1, weight_attr=KaimingNormal())
        self.gate = nn.Sigmoid()
        self.scale = ScaleChannels()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.scale(x, self.gate(self.conv(self.avg_pool(x))))
        return y


class Block(nn.Layer):
    """A chain of 3x3 convolutions, all of it aggregated and attended to."""

    channel_axis = 1

    def __init__(self, in_channels: int, mid_channels: int, out_channels: int, layers: int) -> None:
        super().__init__()
        self.shortcut = in_channels == out_channels
        widths = [in_channels, *[mid_channels] * layers]
        self.layers = nn.LayerList(
            [conv_bn(before, mid_channels, 3, act=nn.ReLU) for before in widths[:-1]]
        )
        self.aggregation_conv = conv_bn(sum(widths), out_channels, 1, act=nn.ReLU)
        self.att = Attention(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        outputs = [x]
        for layer in self.layers:
            outputs.append(layer(outputs[-1]))
        out: Tensor = self.att(self.aggregation_conv(paddle.concat(outputs, self.channel_axis)))
        return out + x if self.shortcut else out


# ---- network -----------------------------------------------------------------------------------


class PPHGNet(Network):
    """PP-HGNet for images [N, 3, H, W] of any size from 32 pixels up.

    Args:
        num_classes: Length of the logits.
        stem: Output channels of the three convolutions that begin the network.
        layers: 3x3 convolutions in every block.
        stages: Channels inside the blocks, channels after them and number of blocks, by stage.
        dropout: Share of the embedding that is dropped before the classifier.
    """

    num_features = 2048
    head_name = "fc"
    channels_last = True

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        stem: tuple[int, int, int],
        layers: int,
        stages: tuple[tuple[int, int, int], ...],
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        first, second, channels = stem
        self.stem = nn.Sequential(
            conv_bn(3, first, 3, stride=2, act=nn.ReLU),
            conv_bn(first, second, 3, act=nn.ReLU),
            conv_bn(second, channels, 3, act=nn.ReLU),
        )
        self.pool = nn.MaxPool2D(3, stride=2, padding=1)
        body: list[nn.Layer] = []
        for number, (mid_channels, out_channels, depth) in enumerate(stages):
            block = partial(
                Block, mid_channels=mid_channels, out_channels=out_channels, layers=layers
            )
            body.append(stage(block, channels, out_channels, depth, halve=number > 0))
            channels = out_channels
        self.stages = nn.Sequential(*body)
        self.last_conv = nn.Conv2D(
            channels, self.num_features, 1, weight_attr=KaimingNormal(), bias_attr=False
        )
        self.act = nn.ReLU()
        self.dropout = nn.Dropout(dropout, mode="downscale_in_infer")
        self.fc = nn.Linear(self.num_features, num_classes)

    def forward_features(self, x: Tensor) -> Tensor:
        features: Tensor = self.stages(self.pool(self.stem(x)))
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = self.act(self.last_conv(F.adaptive_avg_pool2d(x, 1)))
        x = self.dropout(x.squeeze([2, 3]))
        return x if pre_logits else self.fc(x)

    def stage_prefixes(self) -> dict[str, tuple[str, ...]]:
        bodies = {f"stage{number}": (f"stages.{number - 1}",) for number in range(1, 5)}
        return {"stem": ("stem",), **bodies, "head": ("last_conv", "fc")}


# ---- variants ----------------------------------------------------------------------------------


@hookimpl
def clsctl_architectures() -> list[Architecture]:
    return [
        Architecture(
            name,
            "2022: aggregated chains of 3x3 convolutions for GPUs",
            partial(PPHGNet, **config),
        )
        for name, config in CONFIGS.items()
    ]
