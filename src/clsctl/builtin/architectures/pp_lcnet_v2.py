"""PP-LCNetV2: PP-LCNet with depthwise branches that merge into one convolution.

PaddlePaddle 2022; there is no paper. The merging is structural re-parameterisation as in "RepVGG",
Ding et al. 2021, arXiv:2101.03697.

In the two deep stages a depthwise convolution is trained as the sum of 5x5, 3x3 and (at stride 1)
1x1 branches, each with its own batch normalisation. `reparameterise` merges them into the one 5x5
convolution `dw_conv`, which the published checkpoints carry beside the branches, unused and
untrained. The attention gate is a true sigmoid. As in PP-LCNet the dropout multiplies by 0.8 in
evaluation.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import Tensor, nn
from paddle.nn import functional as F
from paddle.nn.initializer import KaimingNormal

from clsctl.networks.base import Network, SqueezeExcite, conv_bn, make_divisible
from clsctl.plugin import Architecture, hookimpl

# ---- configurations ----------------------------------------------------------------------------

CONFIGS: dict[str, dict[str, Any]] = {
    "PP-LCNetV2_small": {"scale": 0.75, "depths": (2, 2, 4, 2)},
    "PP-LCNetV2_base": {"scale": 1.0, "depths": (2, 2, 6, 2)},
    "PP-LCNetV2_large": {"scale": 1.25, "depths": (2, 2, 8, 2)},
}

STEM_WIDTH = 32

# Options of the blocks of each stage. A stage halves the map and doubles the channels.
STAGES: tuple[dict[str, bool], ...] = (
    {},
    {},
    {"branches": True, "se": True, "narrow": True},
    {"branches": True, "shortcut": True},
)

BRANCH_KERNELS = (5, 3, 1)


# ---- blocks ------------------------------------------------------------------------------------


class SeparableConv(nn.Layer):
    """A depthwise and a pointwise convolution.

    Args:
        branches: Train the depthwise convolution as a sum over kernel sizes.
        se: Channel attention between the two convolutions.
        narrow: Two pointwise convolutions with half the output channels in between.
        shortcut: Add the input, where its shape is the output's.
    """

    dw_conv_list: nn.LayerList | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        *,
        branches: bool = False,
        se: bool = False,
        narrow: bool = False,
        shortcut: bool = False,
    ) -> None:
        super().__init__()
        self.shortcut = shortcut and stride == 1 and in_channels == out_channels
        self.dw_conv_list = depthwise_branches(in_channels, stride) if branches else None
        self.dw_conv = (
            merged_depthwise(in_channels, stride)
            if branches
            else conv_bn(in_channels, in_channels, 3, stride, groups=in_channels)
        )
        self.act = nn.ReLU()
        self.se = SqueezeExcite(in_channels, nn.Sigmoid) if se else nn.Identity()
        if narrow:
            self.pw_conv_1 = conv_bn(in_channels, out_channels // 2, 1, act=nn.ReLU)
            self.pw_conv_2 = conv_bn(out_channels // 2, out_channels, 1, act=nn.ReLU)
        else:
            self.pw_conv = conv_bn(in_channels, out_channels, 1, act=nn.ReLU)
        self.narrow = narrow

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.se(self.act(self.depthwise(x)))
        out = self.pw_conv_2(self.pw_conv_1(out)) if self.narrow else self.pw_conv(out)
        return out + x if self.shortcut else out

    def depthwise(self, x: Tensor) -> Tensor:
        if self.dw_conv_list is None:
            out: Tensor = self.dw_conv(x)
            return out
        return paddle.add_n([branch(x) for branch in self.dw_conv_list])

    def reparameterise(self) -> None:
        if self.dw_conv_list is None:
            return
        kernels, biases = zip(*map(fold, self.dw_conv_list), strict=True)
        self.dw_conv.weight.set_value(np.sum(kernels, axis=0).astype("float32"))
        self.dw_conv.bias.set_value(np.sum(biases, axis=0).astype("float32"))
        self.dw_conv_list = None


def stage(in_channels: int, depth: int, options: dict[str, bool]) -> nn.Sequential:
    channels = 2 * in_channels
    first = SeparableConv(in_channels, channels, stride=2, **options)
    others = [SeparableConv(channels, channels, **options) for _ in range(depth - 1)]
    return nn.Sequential(first, *others)


def depthwise_branches(channels: int, stride: int) -> nn.LayerList:
    kernels = [kernel for kernel in BRANCH_KERNELS if kernel > 1 or stride == 1]
    return nn.LayerList(
        [conv_bn(channels, channels, kernel, stride, groups=channels) for kernel in kernels]
    )


def merged_depthwise(channels: int, stride: int) -> nn.Conv2D:
    kernel = max(BRANCH_KERNELS)
    return nn.Conv2D(channels, channels, kernel, stride, padding=kernel // 2, groups=channels)


def fold(branch: nn.Layer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A 5x5 kernel and a bias doing what the branch does in evaluation.

    In float64, because the sum over branches is rounded to float32 only once.
    """
    bn = branch.bn
    mean, variance, scale, shift = (
        tensor.numpy().astype("float64") for tensor in (bn._mean, bn._variance, bn.weight, bn.bias)
    )
    factor = scale / np.sqrt(variance + bn._epsilon)
    kernel = branch.conv.weight.numpy() * factor[:, None, None, None]
    margin = (max(BRANCH_KERNELS) - kernel.shape[-1]) // 2
    padded = np.pad(kernel, [(0, 0), (0, 0), (margin, margin), (margin, margin)])
    return padded, shift - mean * factor


# ---- network -----------------------------------------------------------------------------------


class PPLCNetV2(Network):
    """PP-LCNetV2 for images [N, 3, H, W] of any size from 32 pixels up.

    Args:
        num_classes: Length of the logits.
        scale: Factor on the channels of stem and stages, rounded to multiples of 8.
        depths: Blocks in each of the four stages.
        dropout: Share of the embedding that is dropped before the classifier.
    """

    num_features = 1280
    head_name = "fc"
    channels_last = True

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        scale: float = 1.0,
        depths: tuple[int, ...],
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        stem_channels = make_divisible(STEM_WIDTH * scale)
        channels = 2 * stem_channels
        self.stem = nn.Sequential(
            conv_bn(3, stem_channels, 3, stride=2, act=nn.ReLU),
            SeparableConv(stem_channels, channels),
        )
        body = []
        for depth, options in zip(depths, STAGES, strict=True):
            body.append(stage(channels, depth, options))
            channels *= 2
        self.stages = nn.Sequential(*body)
        self.last_conv = nn.Conv2D(
            channels, self.num_features, 1, weight_attr=KaimingNormal(), bias_attr=False
        )
        self.act = nn.ReLU()
        self.dropout = nn.Dropout(dropout, mode="downscale_in_infer")
        self.fc = nn.Linear(self.num_features, num_classes)

    def forward_features(self, x: Tensor) -> Tensor:
        features: Tensor = self.stages(self.stem(x))
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = self.act(self.last_conv(F.adaptive_avg_pool2d(x, 1)))
        x = self.dropout(x.squeeze([2, 3]))
        return x if pre_logits else self.fc(x)

    def stage_prefixes(self) -> dict[str, tuple[str, ...]]:
        bodies = {f"stage{number}": (f"stages.{number - 1}",) for number in range(1, 5)}
        return {"stem": ("stem",), **bodies, "head": ("last_conv", "fc")}

    def reparameterise(self) -> None:
        """Merge every depthwise convolution's branches, for inference; exporting calls this.

        In evaluation the logits change by rounding alone, less than 5e-6 of the largest. The
        state_dict loses `dw_conv_list.*`, so keep a copy of the network to continue training.
        """
        for layer in self.sublayers():
            if isinstance(layer, SeparableConv):
                layer.reparameterise()


# ---- variants ----------------------------------------------------------------------------------


@hookimpl
def clsctl_architectures() -> list[Architecture]:
    return [
        Architecture(
            name,
            f"2022: depthwise branches that merge, for CPUs, width x{config['scale']:g}",
            partial(PPLCNetV2, **config),
        )
        for name, config in CONFIGS.items()
    ]
