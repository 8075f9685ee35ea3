"""PP-LCNet: depthwise separable convolutions arranged for CPUs.

"PP-LCNet: A Lightweight CPU Convolutional Neural Network", Cui et al. 2021, arXiv:2109.15099.

MobileNetV1's layout with hard-swish everywhere, 5x5 kernels and squeeze-and-excitation only near
the end, and a 1280-wide layer after the pooling, whatever the width of the rest. The dropout before
the classifier does not rescale while training, so it multiplies by 0.8 in evaluation.
"""

from __future__ import annotations

from functools import partial

from paddle import Tensor, nn
from paddle.nn import functional as F
from paddle.nn.initializer import KaimingNormal

from clsctl.networks.base import Network, SqueezeExcite, conv_bn, make_divisible
from clsctl.plugin import Architecture, hookimpl

# ---- configurations ----------------------------------------------------------------------------

SCALES = {
    "PP-LCNet_x0_25": 0.25,
    "PP-LCNet_x0_35": 0.35,
    "PP-LCNet_x0_5": 0.5,
    "PP-LCNet_x0_75": 0.75,
    "PP-LCNet_x1_0": 1.0,
    "PP-LCNet_x1_5": 1.5,
    "PP-LCNet_x2_0": 2.0,
    "PP-LCNet_x2_5": 2.5,
}

STEM_WIDTH = 16

# A row is a block: kernel size, output channels at scale 1, stride, squeeze-and-excitation.
STAGES = {
    "blocks2": ((3, 32, 1, False),),
    "blocks3": ((3, 64, 2, False), (3, 64, 1, False)),
    "blocks4": ((3, 128, 2, False), (3, 128, 1, False)),
    "blocks5": ((3, 256, 2, False), *((5, 256, 1, False),) * 5),
    "blocks6": ((5, 512, 2, True), (5, 512, 1, True)),
}


# ---- blocks ------------------------------------------------------------------------------------


class SeparableConv(nn.Layer):
    """A depthwise and a pointwise convolution, with channel attention in between where asked."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, se: bool
    ) -> None:
        super().__init__()
        self.dw_conv = conv_bn(
            in_channels, in_channels, kernel, stride, groups=in_channels, act=nn.Hardswish
        )
        self.se = SqueezeExcite(in_channels, nn.Hardsigmoid) if se else nn.Identity()
        self.pw_conv = conv_bn(in_channels, out_channels, 1, act=nn.Hardswish)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.pw_conv(self.se(self.dw_conv(x)))
        return out


# ---- network -----------------------------------------------------------------------------------


class PPLCNet(Network):
    """PP-LCNet for images [N, 3, H, W] of any size from 32 pixels up.

    Args:
        num_classes: Length of the logits.
        scale: Factor on the channels of stem and stages, rounded to multiples of 8.
        dropout: Share of the embedding that is dropped before the classifier.
    """

    num_features = 1280
    head_name = "fc"
    channels_last = True

    def __init__(
        self, num_classes: int = 1000, *, scale: float = 1.0, dropout: float = 0.2
    ) -> None:
        super().__init__()
        channels = make_divisible(STEM_WIDTH * scale)
        self.conv1 = conv_bn(3, channels, 3, stride=2, act=nn.Hardswish)
        for stage, rows in STAGES.items():
            blocks = []
            for kernel, width, stride, se in rows:
                out_channels = make_divisible(width * scale)
                blocks.append(SeparableConv(channels, out_channels, kernel, stride, se))
                channels = out_channels
            self.add_sublayer(stage, nn.Sequential(*blocks))
        self.last_conv = nn.Conv2D(
            channels, self.num_features, 1, weight_attr=KaimingNormal(), bias_attr=False
        )
        self.act = nn.Hardswish()
        self.dropout = nn.Dropout(dropout, mode="downscale_in_infer")
        self.fc = nn.Linear(self.num_features, num_classes)

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        for stage in STAGES:
            x = getattr(self, stage)(x)
        return x

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = self.act(self.last_conv(F.adaptive_avg_pool2d(x, 1)))
        x = self.dropout(x.squeeze([2, 3]))
        return x if pre_logits else self.fc(x)

    def stage_prefixes(self) -> dict[str, tuple[str, ...]]:
        bodies = {f"stage{number}": (name,) for number, name in enumerate(STAGES, start=1)}
        return {"stem": ("conv1",), **bodies, "head": ("last_conv", "fc")}


# ---- variants ----------------------------------------------------------------------------------


@hookimpl
def clsctl_architectures() -> list[Architecture]:
    return [
        Architecture(
            name,
            f"2021: depthwise separable convolutions for CPUs, width x{scale:g}",
            partial(PPLCNet, scale=scale),
        )
        for name, scale in SCALES.items()
    ]
