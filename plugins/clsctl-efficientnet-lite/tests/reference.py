"""EfficientNet-Lite0 once more, in NumPy alone, from the checkpoint's own names.

Written from the paper's table and TensorFlow's definition of SAME padding, sharing no code with the
plugin, so that the two can only agree where both are right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

Array = np.ndarray
# Repeats, kernel, stride, expansion of the seven stages.
STAGES = [(1, 3, 1, 1), (2, 3, 2, 6), (2, 5, 2, 6), (3, 3, 2, 6), (3, 5, 1, 6), (4, 5, 2, 6)]
STAGES += [(1, 3, 1, 6)]


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME: ceil(size / stride) outputs, an odd pixel of padding at the end."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def windows(image: Array, kernel: int, stride: int) -> Array:
    """[C, H, W] -> [C, out, out, kernel, kernel], padded as SAME."""
    pads = [same_padding(size, kernel, stride) for size in image.shape[1:]]
    padded = np.pad(image, [(0, 0), *pads])
    view = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(1, 2))
    return view[:, ::stride, ::stride]


def convolution(image: Array, weight: Array, stride: int = 1) -> Array:
    return np.einsum("chwij,ocij->ohw", windows(image, weight.shape[-1], stride), weight)


def depthwise(image: Array, weight: Array, stride: int) -> Array:
    return np.einsum("chwij,cij->chw", windows(image, weight.shape[-1], stride), weight[:, 0])


def pointwise(image: Array, weight: Array) -> Array:
    return np.tensordot(weight[:, :, 0, 0], image, 1)


class Reference:
    """The network over the arrays of the published checkpoint."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._arrays = arrays

    def logits(self, image: Array) -> Array:
        """Logits [1000] of a preprocessed image [3, 224, 224]."""
        x = convolution(image, self._arrays["_conv_stem.weight"], 2)
        x = self._relu6(self._norm(x, "_bn0"))
        number = 0
        for repeats, _, stride, expansion in STAGES:
            for repeat in range(repeats):
                x = self._block(x, f"_blocks.{number}", 1 if repeat else stride, expansion)
                number += 1
        x = self._relu6(self._norm(pointwise(x, self._arrays["_conv_head.weight"]), "_bn1"))
        return self._arrays["_fc.weight"] @ x.mean(axis=(1, 2)) + self._arrays["_fc.bias"]

    def _block(self, x: Array, name: str, stride: int, expansion: int) -> Array:
        weight = {
            part: self._arrays[f"{name}._{part}_conv.weight"]
            for part in ("expand", "depthwise", "project")
            if part != "expand" or expansion > 1
        }
        y = x
        if expansion > 1:
            y = self._relu6(self._norm(pointwise(y, weight["expand"]), f"{name}._bn0"))
        y = self._relu6(self._norm(depthwise(y, weight["depthwise"], stride), f"{name}._bn1"))
        y = self._norm(pointwise(y, weight["project"]), f"{name}._bn2")
        return x + y if y.shape == x.shape and stride == 1 else y

    def _norm(self, x: Array, name: str) -> Array:
        mean, variance = (self._arrays[f"{name}.running_{what}"] for what in ("mean", "var"))
        scale = self._arrays[f"{name}.weight"] / np.sqrt(variance + 1e-3)
        shift = self._arrays[f"{name}.bias"] - mean * scale
        return x * scale[:, None, None] + shift[:, None, None]

    @staticmethod
    def _relu6(x: Array) -> Array:
        return np.clip(x, 0, 6)
