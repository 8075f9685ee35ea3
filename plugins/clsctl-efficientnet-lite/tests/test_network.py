"""The network, its preprocessing and its answers against an implementation of their own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import paddle
import pytest
from clsctl_efficientnet_lite.network import ConvNorm
from clsctl_efficientnet_lite.weights import _checkpoint_bytes, read_checkpoint
from paddle.nn import functional as F
from PIL import Image

import clsctl
from clsctl import create_model
from clsctl.images.preprocess import compile_transforms, transform_ops
from clsctl.models.catalog import get_entry
from clsctl.plugin.registry import default_registry

NAME = "EfficientNet-Lite0"
PHOTOS = sorted((Path(__file__).parents[3] / "examples").glob("*.png"))

# ---- the network once more -----------------------------------------------------------------------
#
# In NumPy alone, from the checkpoint's own names, the paper's table and TensorFlow's definition of
# SAME padding. It shares no code with the plugin, so that the two agree only where both are right.

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


# ---- the two compared ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference(read_checkpoint(_checkpoint_bytes()))


def prepared(photo: Path) -> np.ndarray:
    """224/256 of the short side from the centre, bicubic to 224, (x - 127) / 128."""
    with Image.open(photo) as image:
        rgb = image.convert("RGB")
    side = int(224 / 256 * min(rgb.size))
    left, top = ((size - side + 1) // 2 for size in rgb.size)
    square = rgb.crop((left, top, left + side, top + side)).resize((224, 224), Image.BICUBIC)
    return ((np.asarray(square, np.float64) - 127) / 128).transpose(2, 0, 1)


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda path: path.stem)
def test_the_preprocessing_is_that_of_the_published_model(photo):
    preprocess = compile_transforms(transform_ops(get_entry(NAME).exported))
    pixels = np.asarray(Image.open(photo).convert("RGB"))
    np.testing.assert_allclose(preprocess(pixels), prepared(photo), atol=1e-6)


@pytest.mark.parametrize(
    "photo",
    [PHOTOS[0], *(pytest.param(photo, marks=pytest.mark.long) for photo in PHOTOS[1:])],
    ids=lambda path: path.stem,
)
def test_logits_and_scores_are_those_of_the_reference(photo, pulled, reference):
    expected = reference.logits(prepared(photo))
    network = clsctl.build(NAME, pretrained=True)
    network.eval()
    with paddle.no_grad():
        image = paddle.to_tensor(prepared(photo)[None].astype(np.float32))
        np.testing.assert_allclose(network(image)[0].numpy(), expected, atol=1e-4)
    probabilities = np.exp(expected - expected.max())
    probabilities /= probabilities.sum()
    best = probabilities.argsort()[::-1][:5]
    for backend in ("auto", "paddle"):
        [result] = create_model(NAME, backend=backend).predict(photo)
        assert result.class_ids.tolist() == best.tolist()
        np.testing.assert_allclose(result.scores, probabilities[best], atol=2e-5)


@pytest.mark.parametrize("size", [7, 8, 15, 112])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_padding_is_tensorflow_s_same(size, kernel, stride):
    image = np.random.default_rng(size).standard_normal((4, size, size)).astype(np.float32)
    for groups, compute in ((1, convolution), (4, depthwise)):
        layer = ConvNorm(4, 4, kernel, stride, groups, activate=False)
        layer.eval()
        found = layer(paddle.to_tensor(image[None]))[0].numpy() * np.sqrt(1 + 1e-3)
        weight = layer.conv.weight.numpy()
        np.testing.assert_allclose(found, compute(image, weight, stride), atol=1e-5)


def test_the_state_has_the_size_and_the_shape_of_the_paper():
    network = clsctl.build(NAME, num_classes=10, seed=0)
    state = network.state_dict()
    trainable = sum(p.size for p in network.parameters() if not p.stop_gradient)
    assert trainable == 4_652_008 - 1281 * 990
    assert list(state["stem.conv.weight"].shape) == [32, 3, 3, 3]
    assert list(state["head.fc.weight"].shape) == [1280, 10]
    assert list(state["blocks.15.depthwise.conv.weight"].shape) == [1152, 1, 3, 3]
    assert "blocks.0.expand.conv.weight" not in state
    assert len(network.blocks) == 16


def test_the_stages_name_every_parameter_once():
    network = clsctl.build(NAME)
    prefixes = [prefix for stage in network.stage_prefixes().values() for prefix in stage]
    for name in network.state_dict():
        assert sum(name.startswith(f"{prefix}.") for prefix in prefixes) == 1


def test_features_and_head_are_the_whole():
    network = clsctl.build(NAME, seed=0)
    network.eval()
    image = paddle.to_tensor(prepared(PHOTOS[0])[None].astype(np.float32))
    features = network.forward_features(image)
    assert list(features.shape) == [1, 1280, 7, 7]
    assert bool(F.relu6(features).equal_all(features))
    np.testing.assert_array_equal(network.forward_head(features).numpy(), network(image).numpy())


def test_the_plugin_adds_what_it_says():
    registry = default_registry()
    added = {
        kind: [
            n for n, c in registry.contributions(kind).items() if c.plugin == "efficientnet-lite"
        ]
        for kind in ("architectures", "catalogs", "weight_sources")
    }
    assert added == {
        "architectures": [NAME],
        "catalogs": ["efficientnet-lite"],
        "weight_sources": ["pypi"],
    }
