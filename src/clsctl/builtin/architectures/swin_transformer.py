"""Swin Transformer: attention inside windows that shift from block to block.

"Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", Liu et al. 2021,
arXiv:2103.14030.

Attention inside windows of 7 x 7 or 12 x 12 tokens, moved by half a window in every second block
so that neighbours meet; tokens are merged 2 x 2 between the stages. Every LayerNorm's epsilon is
1e-5. The odd blocks shift wherever they stand, also where one window spans the whole map, as in
the authors' code for detection but not in theirs for classification.

Maps are [N, H, W, C] until the last norm. A side that is no multiple of the patch or the window
gets zeros below or to the right. Sizes are plain numbers and only the batch is left open, so that
an exported graph does no arithmetic on shapes, which OpenVINO refuses to load.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F
from paddle.nn.initializer import TruncatedNormal

from clsctl.networks.base import DropPath, Mlp, Network, attend, drop_path_rates
from clsctl.plugin import Architecture, hookimpl

# ---- configurations ----------------------------------------------------------------------------

TINY = {"width": 96, "depths": (2, 2, 6, 2), "heads": (3, 6, 12, 24)}
SMALL = {"width": 96, "depths": (2, 2, 18, 2), "heads": (3, 6, 12, 24)}
BASE = {"width": 128, "depths": (2, 2, 18, 2), "heads": (4, 8, 16, 32)}
LARGE = {"width": 192, "depths": (2, 2, 18, 2), "heads": (6, 12, 24, 48)}

# Stochastic depth is the paper's: A2 for training on ImageNet-1k, and its 0.1 for fine-tuning at
# 384 pixels; large was trained on ImageNet-22k first, with the authors' 0.2 after that.
CONFIGS: dict[str, dict[str, Any]] = {
    "SwinTransformer_tiny_patch4_window7_224": {**TINY, "window": 7, "drop_path_rate": 0.2},
    "SwinTransformer_small_patch4_window7_224": {**SMALL, "window": 7, "drop_path_rate": 0.3},
    "SwinTransformer_base_patch4_window7_224": {**BASE, "window": 7, "drop_path_rate": 0.5},
    "SwinTransformer_base_patch4_window12_384": {**BASE, "window": 12, "drop_path_rate": 0.1},
    "SwinTransformer_large_patch4_window7_224": {**LARGE, "window": 7, "drop_path_rate": 0.2},
    "SwinTransformer_large_patch4_window12_384": {**LARGE, "window": 12, "drop_path_rate": 0.2},
}

EPSILON = 1e-5
PATCH = 4


# ---- blocks ------------------------------------------------------------------------------------


class PatchEmbed(nn.Layer):
    """Projects patches of images [N, 3, H, W] to a map [N, H / 4, W / 4, C]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2D(3, width, PATCH, stride=PATCH, weight_attr=TruncatedNormal(std=0.02))
        self.norm = nn.LayerNorm(width, epsilon=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        x = self.proj(pad(x, PATCH, axes=(2, 3)))
        tokens: Tensor = self.norm(x.transpose([0, 2, 3, 1]))
        return tokens


class WindowAttention(nn.Layer):
    """Self-attention over the L tokens of each window, with a bias for each relative position."""

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = self.create_parameter(
            [(2 * window - 1) ** 2, heads], default_initializer=TruncatedNormal(std=0.02)
        )
        self.register_buffer("relative_position_index", relative_position_index(window))
        self.qkv = linear(width, 3 * width)
        self.proj = linear(width, width)

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Attend within windows [N * M, L, C], M to a map; `mask` is [M, 1, L, L]."""
        bias = self._position_bias()
        if mask is not None:
            bias = bias + mask.astype(bias.dtype)
        y: Tensor = self.proj(attend(self.qkv(windows), self.heads, bias))
        return y

    def _position_bias(self) -> Tensor:
        index = self.relative_position_index
        bias = self.relative_position_bias_table.index_select(index.flatten())
        return bias.reshape([*index.shape, self.heads]).transpose([2, 0, 1])


class Block(nn.Layer):
    """Attention in (shifted) windows, then a perceptron, each around a residual."""

    def __init__(
        self, width: int, heads: int, window: int, shifted: bool, drop_path_rate: float
    ) -> None:
        super().__init__()
        self.window = window
        self.shift = window // 2 if shifted else 0
        self.norm1 = nn.LayerNorm(width, epsilon=EPSILON)
        self.attn = WindowAttention(width, heads, window)
        self.norm2 = nn.LayerNorm(width, epsilon=EPSILON)
        self.mlp = Mlp(width, 4 * width)
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self._attend(self.norm1(x)))
        branch: Tensor = self.drop_path(self.mlp(self.norm2(x)))
        return x + branch

    def _attend(self, x: Tensor) -> Tensor:
        height, width = x.shape[1], x.shape[2]
        x = pad(x, self.window, axes=(1, 2))
        size, mask = (x.shape[1], x.shape[2]), None
        if self.shift:
            x = x.roll([-self.shift, -self.shift], axis=[1, 2])
            mask = shift_mask(*size, self.window, self.shift)
        x = from_windows(self.attn(to_windows(x, self.window), mask), *size)
        if self.shift:
            x = x.roll([self.shift, self.shift], axis=[1, 2])
        return x if size == (height, width) else x[:, :height, :width]


class PatchMerging(nn.Layer):
    """Joins neighbouring tokens 2 x 2: [N, H, W, C] -> [N, H / 2, W / 2, 2C]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduction = linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(4 * width, epsilon=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        x = pad(x, 2, axes=(1, 2))
        height, width, channels = x.shape[1] // 2, x.shape[2] // 2, x.shape[3]
        x = x.reshape([-1, height, 2, width, 2, channels])
        # The checkpoints order the four tokens by column, then by row.
        x = x.transpose([0, 1, 3, 4, 2, 5]).reshape([-1, height, width, 4 * channels])
        y: Tensor = self.reduction(self.norm(x))
        return y


def stage(width: int, heads: int, rates: list[float], window: int) -> nn.Sequential:
    """A stage's `blocks`, every second one with shifted windows."""
    blocks = [
        Block(width, heads, window, shifted=number % 2 == 1, drop_path_rate=rate)
        for number, rate in enumerate(rates)
    ]
    return nn.Sequential(("blocks", nn.Sequential(*blocks)))


def linear(in_features: int, out_features: int, bias: bool = True) -> nn.Linear:
    return nn.Linear(
        in_features,
        out_features,
        weight_attr=TruncatedNormal(std=0.02),
        bias_attr=None if bias else False,
    )


def relative_position_index(window: int) -> Tensor:
    """Row of the bias table for each pair of a window's tokens, int64 [L, L]."""
    row, column = (axis.flatten() for axis in paddle.meshgrid([paddle.arange(window)] * 2))
    down = row.unsqueeze(1) - row + window - 1
    right = column.unsqueeze(1) - column + window - 1
    return down * (2 * window - 1) + right


def shift_mask(height: int, width: int, window: int, shift: int) -> Tensor:
    """-100 between tokens that only the shift made neighbours, else 0: [M, 1, L, L]."""
    # Floats, because Paddle's oneDNN pass breaks on a transposed map of integers.
    wrapped_row = (paddle.arange(height) >= height - shift).astype("float32")
    wrapped_column = (paddle.arange(width) >= width - shift).astype("float32")
    region = 2 * wrapped_row.unsqueeze(1) + wrapped_column
    region = to_windows(region.reshape([1, height, width, 1]), window).transpose([0, 2, 1])
    apart = region.unsqueeze(2) != region.unsqueeze(3)
    return apart.astype("float32") * -100.0


def to_windows(x: Tensor, window: int) -> Tensor:
    """A map [N, H, W, C] as windows [N * M, L, C] of L = window * window tokens, row by row."""
    _, height, width, channels = x.shape
    x = x.reshape([-1, height // window, window, width // window, window, channels])
    return x.transpose([0, 1, 3, 2, 4, 5]).reshape([-1, window * window, channels])


def from_windows(x: Tensor, height: int, width: int) -> Tensor:
    """The inverse of `to_windows`: [N * M, L, C] as a map [N, height, width, C]."""
    window, channels = math.isqrt(x.shape[1]), x.shape[2]
    x = x.reshape([-1, height // window, width // window, window, window, channels])
    return x.transpose([0, 1, 3, 2, 4, 5]).reshape([-1, height, width, channels])


def pad(x: Tensor, multiple: int, axes: tuple[int, int]) -> Tensor:
    """Zeros at the end of two axes, up to a multiple. `F.pad` does not survive the ONNX export."""
    for axis in axes:
        missing = -x.shape[axis] % multiple
        if missing:
            zeros = paddle.zeros_like(x.slice([axis], [0], [1]))
            x = paddle.concat([x] + [zeros] * missing, axis)
    return x


# ---- network -----------------------------------------------------------------------------------


class SwinTransformer(Network):
    """Swin Transformer for images [N, 3, H, W].

    Args:
        num_classes: Length of the logits.
        width: Channels of the first stage; each further stage has twice as many.
        depths: Blocks in each stage.
        heads: Attention heads of each stage's blocks.
        window: Side of a window, in tokens.
        drop_path_rate: Stochastic depth of the last block; the first has none.
    """

    head_name = "head"
    decays_vectors = False
    no_weight_decay = ("relative_position_bias_table",)

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        width: int,
        depths: tuple[int, ...],
        heads: tuple[int, ...],
        window: int,
        drop_path_rate: float = 0.1,
    ) -> None:
        super().__init__()
        widths = [width << level for level in range(len(depths))]
        rates = drop_path_rates(drop_path_rate, depths)
        self.num_features = widths[-1]
        self.patch_embed = PatchEmbed(width)
        stages = [stage(*options, window) for options in zip(widths, heads, rates, strict=True)]
        for body, channels in zip(stages[:-1], widths[:-1], strict=True):
            body.add_sublayer("downsample", PatchMerging(channels))
        self.layers = nn.Sequential(*stages)
        self.norm = nn.LayerNorm(widths[-1], epsilon=EPSILON)
        self.head = linear(widths[-1], num_classes)

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.norm(self.layers(self.patch_embed(x)))
        return x.transpose([0, 3, 1, 2])

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = F.adaptive_avg_pool2d(x, 1).squeeze([2, 3])
        return x if pre_logits else self.head(x)

    def stage_prefixes(self) -> dict[str, tuple[str, ...]]:
        layers = {f"stage{n + 1}": (f"layers.{n}",) for n in range(len(self.layers))}
        return {"stem": ("patch_embed",), **layers, "head": ("norm", "head")}


# ---- variants ----------------------------------------------------------------------------------


@hookimpl
def clsctl_architectures() -> list[Architecture]:
    return [
        Architecture(name, summary(**config), partial(SwinTransformer, **config))
        for name, config in CONFIGS.items()
    ]


def summary(width: int, depths: tuple[int, ...], window: int, **_: Any) -> str:
    channels = f"{width} to {width << len(depths) - 1} channels"
    return f"2021: {sum(depths)} blocks of {channels}, windows of {window} x {window} tokens"
