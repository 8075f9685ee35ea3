"""EfficientNet-Lite0: EfficientNet-B0 without squeeze-and-excitation, with ReLU6.

Tan and Le 2019 (arXiv:1905.11946); the Lite variants were published by the same group in 2020 for
phones. Stem and head keep their size at every width. Particular here: convolutions of stride 2
pad as TensorFlow's SAME does, more at the right and bottom, and batch norm has eps 1e-3.
"""

from __future__ import annotations

from paddle import Tensor, nn

from clsctl.networks.base import DropPath, Network

# (blocks, kernel, stride, expansion, output channels) of each stage.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, HEAD = 32, 1280


class ConvNorm(nn.Layer):
    """Convolution, batch norm and, unless the block is linear, ReLU6."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        activate: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2D(
            inputs, outputs, kernel, stride, "SAME", groups=groups, bias_attr=False
        )
        self.norm = nn.BatchNorm2D(outputs, epsilon=1e-3)
        self.act = nn.ReLU6() if activate else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        activated: Tensor = self.act(self.norm(self.conv(x)))
        return activated


class InvertedResidual(nn.Layer):
    """Expand, filter each channel, project; added to the input where the shapes agree."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int, drop: float
    ) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = ConvNorm(inputs, wide) if expansion > 1 else nn.Identity()
        self.depthwise = ConvNorm(wide, wide, kernel, stride, groups=wide)
        self.project = ConvNorm(wide, outputs, activate=False)
        self.drop_path = DropPath(drop)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + self.drop_path(out) if self.residual else out


class EfficientNetLite(Network):
    """EfficientNet-Lite0.

    Args:
        num_classes: Length of the logits.
        dropout: Probability of dropping a feature before the classifier, while training.
        drop_path_rate: Stochastic depth of the last block, falling linearly to 0 at the first.
    """

    head_name = "head.fc"
    channels_last = True

    def __init__(
        self, num_classes: int = 1000, dropout: float = 0.2, drop_path_rate: float = 0.0
    ) -> None:
        super().__init__()
        self.num_features = HEAD
        self.stem = ConvNorm(3, STEM, 3, 2)
        self.blocks = nn.LayerList(_blocks(drop_path_rate))
        self.head = nn.Sequential(
            ("conv", ConvNorm(STAGES[-1][-1], HEAD)),
            ("pool", nn.AdaptiveAvgPool2D(1)),
            ("flatten", nn.Flatten()),
            ("dropout", nn.Dropout(dropout)),
            ("fc", nn.Linear(HEAD, num_classes)),
        )

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        features: Tensor = self.head.conv(x)
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = self.head.flatten(self.head.pool(x))
        return x if pre_logits else self.head.fc(self.head.dropout(x))

    def stage_prefixes(self) -> dict[str, tuple[str, ...]]:
        stages: dict[str, tuple[str, ...]] = {"stem": ("stem",)}
        first = 0
        for number, (count, *_) in enumerate(STAGES, start=1):
            stages[f"stage{number}"] = tuple(f"blocks.{first + i}" for i in range(count))
            first += count
        return stages | {"head": ("head",)}


def _blocks(drop_path_rate: float) -> list[InvertedResidual]:
    blocks: list[InvertedResidual] = []
    total, inputs = sum(stage[0] for stage in STAGES), STEM
    for count, kernel, stride, expansion, outputs in STAGES:
        for i in range(count):
            drop = drop_path_rate * len(blocks) / total
            step = stride if i == 0 else 1
            blocks.append(InvertedResidual(inputs, outputs, kernel, step, expansion, drop))
            inputs = outputs
    return blocks
