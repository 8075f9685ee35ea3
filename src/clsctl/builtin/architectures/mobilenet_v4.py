"""MobileNetV4: universal inverted bottlenecks and mobile multi-query attention.

"MobileNetV4: Universal Models for the Mobile Ecosystem", Qin et al. 2024, arXiv:2404.10518.

A universal inverted bottleneck (UIB) expands and projects with 1x1 convolutions; a depthwise
convolution may stand before them, between them, at both places or at none. The hybrid variants add
attention in which all heads share one key and one value, and end their UIBs and attention with a
learnt factor for each channel; the large one has GELU instead of ReLU. In two things the published
weights depart from the paper: attention scores are scaled by the width of all queries together
instead of one head's, and there is no dropout before the classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from paddle import Tensor, nn
from paddle.nn import functional as F
from paddle.nn.initializer import Constant, KaimingNormal, Normal

from clsctl.networks.base import DropPath, Network, conv_bn, drop_path_rates, numbered_stages
from clsctl.plugin import Architecture, hookimpl

# ---- configurations ----------------------------------------------------------------------------


class Conv(NamedTuple):
    """A plain convolution; `channels` may differ from its stage's."""

    kernel: int
    channels: int


class Fused(NamedTuple):
    """A fused inverted bottleneck: a full convolution expands, a 1x1 convolution projects."""

    kernel: int
    expand: int


class UIB(NamedTuple):
    """A universal inverted bottleneck; a depthwise kernel of 0 stands for none."""

    before: int
    between: int
    expand: int


class MQA(NamedTuple):
    """Multi-query attention; a depthwise kernel of 0 leaves keys and values at full size."""

    heads: int
    head_channels: int
    reduce: int


Spec = Conv | Fused | UIB | MQA
# Output channels, and blocks of which the first has stride 2.
Stage = tuple[int, tuple[Spec, ...]]

# fmt: off
START_SMALL: tuple[Stage, ...] = (
    (32, (Conv(3, 32), Conv(1, 32))),
    (64, (Conv(3, 96), Conv(1, 64))),
)
START_MEDIUM: tuple[Stage, ...] = (
    (48, (Fused(3, 4),)),
    (80, (UIB(3, 5, 4), UIB(3, 3, 2))),
)
START_LARGE: tuple[Stage, ...] = (
    (48, (Fused(3, 4),)),
    (96, (UIB(3, 5, 4), UIB(3, 3, 4))),
)
CONFIGS: dict[str, dict[str, Any]] = {
    "MobileNetV4_conv_small": {"stem_width": 32, "drop_path_rate": 0.03, "stages": (
        *START_SMALL,
        (96, (UIB(5, 5, 3), *[UIB(0, 3, 2)] * 4, UIB(3, 0, 4))),
        (128, (UIB(3, 3, 6), UIB(5, 5, 4), UIB(0, 5, 4), UIB(0, 5, 3), *[UIB(0, 3, 4)] * 2)),
    )},
    "MobileNetV4_conv_medium": {"stem_width": 32, "drop_path_rate": 0.1, "stages": (
        *START_MEDIUM,
        (160, (UIB(3, 5, 6), *[UIB(3, 3, 4)] * 2, UIB(3, 5, 4), UIB(3, 3, 4), UIB(3, 0, 4),
               UIB(0, 0, 2), UIB(3, 0, 4))),
        (256, (UIB(5, 5, 6), UIB(5, 5, 4), *[UIB(3, 5, 4)] * 2, UIB(0, 0, 4), UIB(3, 0, 4),
               UIB(3, 5, 2), UIB(5, 5, 4), *[UIB(0, 0, 4)] * 2, UIB(5, 0, 2))),
    )},
    "MobileNetV4_conv_large": {"stem_width": 24, "drop_path_rate": 0.35, "stages": (
        *START_LARGE,
        (192, (UIB(3, 5, 4), *[UIB(3, 3, 4)] * 3, UIB(3, 5, 4), *[UIB(5, 3, 4)] * 5,
               UIB(3, 0, 4))),
        (512, (*[UIB(5, 5, 4)] * 4, UIB(5, 0, 4), UIB(5, 3, 4), *[UIB(5, 0, 4)] * 2,
               UIB(5, 3, 4), UIB(5, 5, 4), *[UIB(5, 0, 4)] * 3)),
    )},
    "MobileNetV4_hybrid_medium": {"stem_width": 32, "drop_path_rate": 0.1, "stages": (
        *START_MEDIUM,
        (160, (UIB(3, 5, 6), UIB(0, 0, 2), UIB(3, 3, 4), UIB(3, 5, 4),
               *(MQA(4, 64, 3), UIB(3, 3, 4), MQA(4, 64, 3), UIB(3, 0, 4)) * 2)),
        (256, (UIB(5, 5, 6), UIB(5, 5, 4), *[UIB(3, 5, 4)] * 2, UIB(0, 0, 2), UIB(3, 5, 2),
               UIB(0, 0, 2), UIB(0, 0, 4), MQA(4, 64, 0), UIB(3, 0, 4), MQA(4, 64, 0),
               UIB(5, 5, 4), *(MQA(4, 64, 0), UIB(5, 0, 4)) * 2)),
    ), "layer_scale": True},
    "MobileNetV4_hybrid_large": {"stem_width": 24, "drop_path_rate": 0.1, "stages": (
        *START_LARGE,
        (192, (UIB(3, 5, 4), *[UIB(3, 3, 4)] * 3, UIB(3, 5, 4), UIB(5, 3, 4),
               *(UIB(5, 3, 4), MQA(8, 48, 3)) * 4, UIB(3, 0, 4))),
        (512, (*[UIB(5, 5, 4)] * 4, UIB(5, 0, 4), UIB(5, 3, 4), *[UIB(5, 0, 4)] * 2,
               UIB(5, 3, 4), UIB(5, 5, 4), *(MQA(8, 64, 0), UIB(5, 0, 4)) * 4)),
    ), "layer_scale": True, "act": nn.GELU},
}
# fmt: on

LAST_WIDTH = 960


# ---- blocks ------------------------------------------------------------------------------------


class LayerScale(nn.Layer):
    """A learnt factor for each channel, near 0 at first (Touvron et al. 2021, arXiv:2103.17239)."""

    channels_last = False

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = self.create_parameter([channels], default_initializer=Constant(1e-5))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma.reshape([-1, 1, 1])


def pointwise(in_channels: int, out_channels: int) -> nn.Conv2D:
    """A 1x1 convolution without bias."""
    return nn.Conv2D(in_channels, out_channels, 1, weight_attr=KaimingNormal(), bias_attr=False)


def depthwise(
    channels: int, kernel: int, stride: int, act: type[nn.Layer] | None = None
) -> nn.Layer:
    """A depthwise convolution with batch normalisation; nothing at all for a kernel of 0."""
    if kernel == 0:
        return nn.Identity()
    return conv_bn(channels, channels, kernel, stride, groups=channels, act=act)


class UniversalBottleneck(nn.Layer):
    """A UIB; it strides in the last of its depthwise convolutions."""

    def __init__(
        self,
        spec: UIB,
        in_channels: int,
        out_channels: int,
        stride: int,
        act: type[nn.Layer],
        layer_scale: bool,
        drop_path_rate: float,
    ) -> None:
        super().__init__()
        hidden = spec.expand * in_channels
        self.shortcut = stride == 1 and in_channels == out_channels
        self.dw_start = depthwise(in_channels, spec.before, 1 if spec.between else stride)
        self.pw_exp = conv_bn(in_channels, hidden, 1, act=act)
        self.dw_mid = depthwise(hidden, spec.between, stride, act)
        self.pw_proj = conv_bn(hidden, out_channels, 1)
        self.layer_scale = LayerScale(out_channels) if layer_scale else nn.Identity()
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.dw_mid(self.pw_exp(self.dw_start(x)))
        branch: Tensor = self.layer_scale(self.pw_proj(hidden))
        return x + self.drop_path(branch) if self.shortcut else branch


class Attention(nn.Layer):
    """Multi-query attention of a map to itself, beside a shortcut."""

    channels_last = False

    def __init__(self, spec: MQA, channels: int, drop_path_rate: float) -> None:
        super().__init__()
        self.heads, head_channels, kernel = spec
        width = self.heads * head_channels
        self.scale = width**-0.5
        self.norm = nn.BatchNorm2D(channels)
        self.query_proj = pointwise(channels, width)
        self.key_down_proj = depthwise(channels, kernel, stride=2)
        self.value_down_proj = depthwise(channels, kernel, stride=2)
        self.key_proj = pointwise(channels, head_channels)
        self.value_proj = pointwise(channels, head_channels)
        self.proj = pointwise(width, channels)
        self.layer_scale = LayerScale(channels)
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        query = self.query_proj(normed)
        key = self.key_proj(self.key_down_proj(normed)).flatten(2).unsqueeze(1)
        value = self.value_proj(self.value_down_proj(normed)).flatten(2).unsqueeze(1)
        branch: Tensor = self.drop_path(self.layer_scale(self.proj(self.attend(query, key, value))))
        return x + branch

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """A map like `query` [N, heads * D, H, W] of mixed values; keys and values [N, 1, D, L]."""
        _, width, rows, columns = query.shape
        queries = query.reshape([-1, self.heads, width // self.heads, rows * columns])
        scores = F.softmax(self.scale * queries.matmul(key, transpose_x=True), axis=-1)
        return value.matmul(scores, transpose_y=True).reshape([-1, width, rows, columns])


def make_block(
    spec: Spec,
    in_channels: int,
    out_channels: int,
    stride: int,
    act: type[nn.Layer],
    layer_scale: bool,
    drop_path_rate: float,
) -> nn.Layer:
    """The block that `spec` describes."""
    match spec:
        case Conv(kernel):
            return conv_bn(in_channels, out_channels, kernel, stride, act=act)
        case Fused(kernel, expand):
            hidden = expand * in_channels
            return nn.Sequential(
                ("conv_exp", conv_bn(in_channels, hidden, kernel, stride, act=act)),
                ("conv_pwl", conv_bn(hidden, out_channels, 1)),
            )
        case UIB():
            return UniversalBottleneck(
                spec, in_channels, out_channels, stride, act, layer_scale, drop_path_rate
            )
        case MQA():
            return Attention(spec, in_channels, drop_path_rate)


# ---- network -----------------------------------------------------------------------------------


class MobileNetV4(Network):
    """A MobileNetV4.

    Args:
        num_classes: Length of the logits.
        stem_width: Channels after the first convolution.
        stages: Output channels and blocks of each stage, save for the last 1x1 convolution.
        act: The activation.
        layer_scale: Whether UIBs end with a learnt factor for each channel, as attention does.
        drop_path_rate: Stochastic depth of the last block; it grows linearly from 0.
    """

    num_features = 1280
    head_name = "classifier"
    channels_last = True
    decays_vectors = False

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        stem_width: int,
        stages: Sequence[Stage],
        act: type[nn.Layer] = nn.ReLU,
        layer_scale: bool = False,
        drop_path_rate: float,
    ) -> None:
        super().__init__()
        self.depths = [len(specs) for _, specs in stages]
        self.conv_stem = conv_bn(3, stem_width, 3, stride=2, act=act)
        self.blocks = nn.Sequential()
        channels = stem_width
        rates = drop_path_rates(drop_path_rate, self.depths)
        for (width, specs), stage_rates in zip(stages, rates, strict=True):
            stride = 2
            for spec, rate in zip(specs, stage_rates, strict=True):
                out_channels = spec.channels if isinstance(spec, Conv) else width
                block = make_block(spec, channels, out_channels, stride, act, layer_scale, rate)
                self.blocks.append(block)
                channels, stride = out_channels, 1
        self.blocks.append(conv_bn(channels, LAST_WIDTH, 1, act=act))
        self.conv_head = conv_bn(LAST_WIDTH, self.num_features, 1, act=act)
        self.classifier = nn.Linear(self.num_features, num_classes, weight_attr=Normal(std=0.01))

    def forward_features(self, x: Tensor) -> Tensor:
        for layer in (self.conv_stem, self.blocks):
            x = layer(x)
        return x

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        # The last convolution works on the pooled features.
        x = self.conv_head(F.adaptive_avg_pool2d(x, 1)).squeeze([2, 3])
        return x if pre_logits else self.classifier(x)

    def stage_prefixes(self) -> dict[str, tuple[str, ...]]:
        body = numbered_stages([*self.depths, 1])
        return {"stem": ("conv_stem",), **body, "head": ("conv_head", "classifier")}


# ---- variants ----------------------------------------------------------------------------------


@hookimpl
def clsctl_architectures() -> list[Architecture]:
    return [
        Architecture(name, summary(**config), partial(MobileNetV4, **config))
        for name, config in CONFIGS.items()
    ]


def summary(layer_scale: bool = False, **_: Any) -> str:
    attention = " and multi-query attention" if layer_scale else ""
    return f"2024: universal inverted bottlenecks{attention}"
