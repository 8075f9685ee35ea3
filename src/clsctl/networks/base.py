"""What every network offers beyond `forward`, and the few blocks that several families share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F
from paddle.nn.initializer import KaimingNormal, TruncatedNormal


class Network(nn.Layer):
    """A classifier seen as stem, stages and head.

    A family implements `forward_features`, `forward_head` and `stage_prefixes`; the rest
    follows.

    Attributes:
        num_features: Length of the pooled embedding.
        head_name: Prefix of the parameters whose shape depends on the number of classes.
        decays_vectors: Whether the family's recipe applies weight decay to parameters of one
            dimension too: biases, norms and scales.
        no_weight_decay: Further parameters that it spares, by the last part of their names.
        channels_last: Whether `forward_features` also works on maps [N, H, W, C], once its
            convolutions, norms and pools do; training on a processor is faster so. A block that
            names the axis of the channels calls it `channel_axis`, which is then set to -1; one
            that names others says `channels_last = False` itself.
        square_input: Whether images must be square.
    """

    num_features: int
    head_name: str
    decays_vectors: bool = True
    no_weight_decay: tuple[str, ...] = ()
    channels_last: bool = False
    square_input: bool = False

    def forward_features(self, x: Tensor) -> Tensor:
        """The last feature map [N, C, H, W], or tokens [N, L, C], for images [N, 3, H, W]."""
        raise NotImplementedError

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits [N, num_classes], or the pooled embedding [N, num_features] before them."""
        raise NotImplementedError

    def stage_prefixes(self) -> dict[str, tuple[str, ...]]:
        """Parameter-name prefixes of each stage, from `stem` to `head`, in depth order."""
        raise NotImplementedError

    def feature_map(self, features: Tensor) -> Tensor:
        """`forward_features`' result as a map [N, C, H, W] to look at."""
        return features

    def features(self, x: Tensor) -> Tensor:
        """The pooled embedding [N, num_features] of images [N, 3, H, W]."""
        return self.forward_head(self.forward_features(x), pre_logits=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))


class DropPath(nn.Layer):
    """Stochastic depth: drops a branch for some samples (Huang et al. 2016, arXiv:1603.09382)."""

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if self.rate == 0.0 or not self.training:
            return x
        keep = 1.0 - self.rate
        mask = paddle.rand([x.shape[0]] + [1] * (x.ndim - 1), dtype=x.dtype) < keep
        return x * mask.astype(x.dtype) / keep


def make_divisible(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor`, never more than 10 % below `channels`."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * channels else rounded + divisor


def conv_bn(
    in_channels: int,
    out_channels: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    act: type[nn.Layer] | None = None,
) -> nn.Sequential:
    """Convolution `conv`, batch normalisation `bn` and an optional activation `act`.

    Padding keeps the map's size, save for the stride; for an even kernel it is at bottom and right.
    """
    before, after = (kernel - 1) // 2, kernel // 2
    conv = nn.Conv2D(
        in_channels,
        out_channels,
        kernel,
        stride=stride,
        padding=[before, after, before, after],
        groups=groups,
        weight_attr=KaimingNormal(),
        bias_attr=False,
    )
    layers: list[tuple[str, nn.Layer]] = [("conv", conv), ("bn", nn.BatchNorm2D(out_channels))]
    return nn.Sequential(*layers, *([("act", act())] if act else []))


def stage(
    block: Callable[[int], nn.Layer], in_channels: int, out_channels: int, depth: int, halve: bool
) -> nn.Sequential:
    """`depth` blocks, each built for its input channels, after halving the map where asked."""
    blocks = nn.Sequential(block(in_channels), *(block(out_channels) for _ in range(depth - 1)))
    if not halve:
        return nn.Sequential(("blocks", blocks))
    downsample = conv_bn(in_channels, in_channels, 3, stride=2, groups=in_channels)
    return nn.Sequential(("downsample", downsample), ("blocks", blocks))


class ScaleChannels(nn.Layer):
    """Multiplies the channels of maps [N, C, H, W] by weights [N, C, 1, 1]."""

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        return x * weights


class SqueezeExcite(nn.Layer):
    """Scales channels by what two layers make of their means (Hu et al. 2017, arXiv:1709.01507)."""

    def __init__(self, channels: int, gate: type[nn.Layer]) -> None:
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2D(1)
        self.conv1 = nn.Conv2D(channels, channels // 4, 1)
        self.act = nn.ReLU()
        self.conv2 = nn.Conv2D(channels // 4, channels, 1)
        self.gate = gate()
        self.scale = ScaleChannels()

    def forward(self, x: Tensor) -> Tensor:
        weights: Tensor = self.gate(self.conv2(self.act(self.conv1(self.avg_pool(x)))))
        y: Tensor = self.scale(x, weights)
        return y


def numbered_stages(depths: Sequence[int]) -> dict[str, tuple[str, ...]]:
    """`stage1`, `stage2` ... of a network whose `blocks` are numbered through all stages."""
    blocks = (f"blocks.{number}" for number in range(sum(depths)))
    return {f"stage{n}": tuple(islice(blocks, depth)) for n, depth in enumerate(depths, start=1)}


class Mlp(nn.Layer):
    """The two-layer perceptron of a transformer block, with exact GELU: [..., C] -> [..., C]."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden, weight_attr=TruncatedNormal(std=0.02))
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, channels, weight_attr=TruncatedNormal(std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(self.act(self.fc1(x)))
        return y


def attend(qkv: Tensor, heads: int, bias: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention of tokens [N, L, C] to each other (arXiv:1706.03762, 3.2).

    Args:
        qkv: Queries, keys and values side by side, [N, L, 3C].
        heads: How many heads share the C channels.
        bias: Added to the scores: [heads, L, L], or [M, heads, L, L] where each run of M
            items along N has its own.
    """
    length, channels = qkv.shape[1], qkv.shape[2] // 3
    q, k, v = (
        part.reshape([-1, length, heads, channels // heads]).transpose([0, 2, 1, 3])
        for part in qkv.split(3, axis=-1)
    )
    scores = (q * (channels // heads) ** -0.5).matmul(k, transpose_y=True)
    if bias is not None:
        scores = (scores.reshape([-1, *bias.shape]) + bias).reshape([-1, heads, length, length])
    values = F.softmax(scores, axis=-1).matmul(v)
    tokens: Tensor = values.transpose([0, 2, 1, 3]).reshape([-1, length, channels])
    return tokens


def drop_path_rates(highest: float, depths: Sequence[int]) -> list[list[float]]:
    """Stochastic depth's linear rule: each block's rate, by stage, from 0 up to `highest`."""
    last = max(sum(depths) - 1, 1)
    rates = (highest * block / last for block in range(sum(depths)))
    return [list(islice(rates, depth)) for depth in depths]
