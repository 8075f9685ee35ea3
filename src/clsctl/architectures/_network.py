"""What every network offers beyond `forward`, and the few blocks that several families share."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn


class Network(nn.Layer):
    """A classifier seen as stem, stages and head.

    A family implements `forward_features`, `forward_head` and `stages`; the rest follows.

    Attributes:
        num_features: Length of the pooled embedding.
        head_name: Prefix of the parameters whose shape depends on the number of classes.
    """

    num_features: int
    head_name: str

    def forward_features(self, x: Tensor) -> Tensor:
        """The last feature map [N, C, H, W], or tokens [N, L, C], for images [N, 3, H, W]."""
        raise NotImplementedError

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Logits [N, num_classes], or the pooled embedding [N, num_features] before them."""
        raise NotImplementedError

    def stages(self) -> dict[str, tuple[str, ...]]:
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
    """Stochastic depth: drops a residual branch per sample (Huang et al. 2016, arXiv:1603.09382)."""

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
