"""MobileNetV1: a plain stack of depthwise separable convolutions.

"MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", Howard et al.
2017, arXiv:1704.04861. Nothing is particular: every convolution is followed by batch
normalisation and ReLU, and one factor scales all widths.
"""

from __future__ import annotations

from functools import partial

from paddle import Tensor, nn
from paddle.nn import functional as F
from paddle.nn.initializer import KaimingNormal

from clsctl.networks.base import Network, conv_bn, numbered_stages
from clsctl.plugin import Architecture, hookimpl

# ---- configurations ----------------------------------------------------------------------------

SCALES = {
    "MobileNetV1_x0_25": 0.25,
    "MobileNetV1_x0_5": 0.5,
    "MobileNetV1_x0_75": 0.75,
    "MobileNetV1_x1_0": 1.0,
}

STEM_WIDTH = 32

# Per stage its width and its blocks; every stage but the first begins by halving the map.
STAGES = ((64, 1), (128, 2), (256, 2), (512, 6), (1024, 2))


# ---- blocks ------------------------------------------------------------------------------------


def depthwise_separable(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    depthwise = conv_bn(in_channels, in_channels, 3, stride, groups=in_channels, act=nn.ReLU)
    pointwise = conv_bn(in_channels, out_channels, 1, act=nn.ReLU)
    return nn.Sequential(("depthwise_conv", depthwise), ("pointwise_conv", pointwise))


# ---- network -----------------------------------------------------------------------------------


class MobileNetV1(Network):
    """The stack of the paper's table 1.

    Args:
        num_classes: Length of the logits.
        scale: Factor on every width.
    """

    head_name = "fc"
    channels_last = True

    def __init__(self, num_classes: int = 1000, *, scale: float = 1.0) -> None:
        super().__init__()
        channels = int(STEM_WIDTH * scale)
        self.conv = conv_bn(3, channels, 3, stride=2, act=nn.ReLU)
        self.blocks = nn.Sequential()
        for stage, (width, depth) in enumerate(STAGES):
            for index in range(depth):
                stride = 2 if stage > 0 and index == 0 else 1
                self.blocks.append(depthwise_separable(channels, int(width * scale), stride))
                channels = int(width * scale)
        self.num_features = channels
        self.fc = nn.Linear(channels, num_classes, weight_attr=KaimingNormal())

    def forward_features(self, x: Tensor) -> Tensor:
        features: Tensor = self.blocks(self.conv(x))
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = F.adaptive_avg_pool2d(x, 1).squeeze([2, 3])
        return x if pre_logits else self.fc(x)

    def stage_prefixes(self) -> dict[str, tuple[str, ...]]:
        depths = [depth for _, depth in STAGES]
        return {"stem": ("conv",), **numbered_stages(depths), "head": ("fc",)}


# ---- variants ----------------------------------------------------------------------------------


@hookimpl
def clsctl_architectures() -> list[Architecture]:
    return [
        Architecture(
            name,
            f"2017: depthwise separable convolutions, width x{scale:g}",
            partial(MobileNetV1, scale=scale),
        )
        for name, scale in SCALES.items()
    ]
