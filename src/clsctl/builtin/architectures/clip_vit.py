"""CLIP's image encoder, fine-tuned as a classifier.

"Learning Transferable Visual Models From Natural Language Supervision", Radford et al. 2021,
arXiv:2103.00020; the encoder is the vision transformer of "An Image is Worth 16x16 Words",
Dosovitskiy et al. 2020, arXiv:2010.11929, with a LayerNorm before its blocks.

GELU is the exact one and every LayerNorm's epsilon is 1e-5. The logits are read from one token:
the class token in large/14, but the first image patch in base/16, whose class token takes part in
the attention and is then left out. `proj`, CLIP's projection to the space it shares with text, is
part of the checkpoints and unused.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F
from paddle.nn.initializer import Normal, TruncatedNormal

from clsctl.networks.base import DropPath, Mlp, Network, attend, drop_path_rates
from clsctl.plugin import Architecture, hookimpl

# ---- configurations ----------------------------------------------------------------------------

CONFIGS: dict[str, dict[str, Any]] = {
    "CLIP_vit_base_patch16_224": {
        "patch": 16,
        "width": 768,
        "depth": 12,
        "heads": 12,
        "readout": 1,
    },
    "CLIP_vit_large_patch14_224": {
        "patch": 14,
        "width": 1024,
        "depth": 24,
        "heads": 16,
        "readout": 0,
    },
}

EPSILON = 1e-5


# ---- blocks ------------------------------------------------------------------------------------


class Attention(nn.Layer):
    """Multi-head self-attention over tokens [N, L, C]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, weight_attr=TruncatedNormal(std=0.02))
        self.proj = nn.Linear(width, width, weight_attr=TruncatedNormal(std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.proj(attend(self.qkv(x), self.heads))
        return y


class Block(nn.Layer):
    """Attention, then a perceptron, each after a LayerNorm and around a residual."""

    def __init__(self, width: int, heads: int, drop_path_rate: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, epsilon=EPSILON)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, epsilon=EPSILON)
        self.mlp = Mlp(width, 4 * width)
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attn(self.norm1(x)))
        branch: Tensor = self.drop_path(self.mlp(self.norm2(x)))
        return x + branch


# ---- network -----------------------------------------------------------------------------------


class ClipVit(Network):
    """CLIP's vision transformer for images [N, 3, S, S].

    Trained at S = 224; for other sizes the position embeddings are resized, as the vision
    transformer's paper does for fine-tuning.

    Args:
        num_classes: Length of the logits.
        patch: Side of a patch, in pixels.
        width: Channels of a token.
        depth: How many blocks there are.
        heads: Attention heads of each block.
        readout: The token that is classified: 0 is the class token, 1 the first patch.
        drop_path_rate: Stochastic depth of the last block; the first has none.
        image_size: Side of the images that the position embeddings are made for, in pixels.
        shared_width: Channels of the space that images share with text.
    """

    head_name = "head.fc_head"
    square_input = True  # tokens do not say in how many rows they were, see `feature_map`
    decays_vectors = False
    no_weight_decay = ("pos_embed", "cls_token")

    def __init__(
        self,
        num_classes: int = 1000,
        *,
        patch: int,
        width: int,
        depth: int,
        heads: int,
        readout: int,
        drop_path_rate: float = 0.0,
        image_size: int = 224,
        shared_width: int = 512,
    ) -> None:
        super().__init__()
        self.num_features = width
        self.readout = readout
        self.grid = image_size // patch
        scaled = Normal(std=width**-0.5)
        create = partial(self.create_parameter, default_initializer=scaled)
        self.pos_embed = create([1, 1 + self.grid**2, width])
        self.cls_token = create([1, 1, width])
        self.proj = create([width, shared_width])
        patches = nn.Conv2D(
            3, width, patch, stride=patch, weight_attr=TruncatedNormal(std=0.02), bias_attr=False
        )
        self.patch_embed = nn.Sequential(("proj", patches))
        self.ln_pre = nn.LayerNorm(width, epsilon=EPSILON)
        (rates,) = drop_path_rates(drop_path_rate, [depth])
        self.blocks = nn.LayerList([Block(width, heads, rate) for rate in rates])
        self.norm = nn.LayerNorm(width, epsilon=EPSILON)
        classifier = nn.Linear(width, num_classes, weight_attr=TruncatedNormal(std=0.02))
        self.head = nn.Sequential(("fc_head", classifier))

    def forward_features(self, x: Tensor) -> Tensor:
        """Tokens [N, 1 + L, C] as they enter the last block, the class token first.

        Past that block only the token that is classified still matters, so these are the last
        features in which every patch has its share, and a class-activation map its meaning.
        """
        patches = self.patch_embed(x)
        positions = self._positions(patches.shape[2], patches.shape[3])
        patches = patches.reshape([0, 0, -1]).transpose([0, 2, 1])
        # One class token an image; `expand` would need the batch size, open in a static graph.
        class_token = self.cls_token + paddle.zeros_like(patches[:, :1])
        tokens: Tensor = paddle.concat([class_token, patches], axis=1) + positions
        *blocks, _ = self.blocks
        for layer in (self.ln_pre, *blocks):
            tokens = layer(tokens)
        return tokens

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = self.norm(self.blocks[-1](x)[:, self.readout])
        return x if pre_logits else self.head(x)

    def feature_map(self, features: Tensor) -> Tensor:
        """The patches' tokens as a map [N, C, H, W]; the images must be square."""
        length, width = features.shape[1] - 1, features.shape[2]
        side = math.isqrt(length)
        return features[:, 1:].transpose([0, 2, 1]).reshape([-1, width, side, side])

    def stage_prefixes(self) -> dict[str, tuple[str, ...]]:
        blocks = {f"stage{n + 1}": (f"blocks.{n}",) for n in range(len(self.blocks))}
        stem = ("pos_embed", "cls_token", "patch_embed", "ln_pre")
        return {"stem": stem, **blocks, "head": ("norm", "proj", "head")}

    def _positions(self, height: int, width: int) -> Tensor:
        """Position embeddings [1, 1 + height * width, C], resized where the grid is another."""
        if (height, width) == (self.grid, self.grid):
            return self.pos_embed
        class_position, positions = self.pos_embed[:, :1], self.pos_embed[:, 1:]
        grid = positions.transpose([0, 2, 1]).reshape([1, -1, self.grid, self.grid])
        grid = F.interpolate(grid, size=[height, width], mode="bicubic")
        positions = grid.reshape([0, 0, -1]).transpose([0, 2, 1])
        return paddle.concat([class_position, positions], axis=1)


# ---- variants ----------------------------------------------------------------------------------


@hookimpl
def clsctl_architectures() -> list[Architecture]:
    return [
        Architecture(name, summary(**config), partial(ClipVit, **config))
        for name, config in CONFIGS.items()
    ]


def summary(patch: int, depth: int, **_: Any) -> str:
    return f"2021: {depth} transformer blocks on patches of {patch} x {patch} pixels"
