"""The network, its preprocessing and its answers against an implementation of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest
from clsctl_efficientnet_lite.network import ConvNorm
from clsctl_efficientnet_lite.weights import _checkpoint_bytes, read_checkpoint
from paddle.nn import functional as F
from PIL import Image
from reference import Reference, convolution, depthwise

import clsctl
from clsctl import create_model
from clsctl.catalog import get_entry
from clsctl.plugins import default_registry
from clsctl.preprocess import compile_transforms, describe

NAME = "EfficientNet-Lite0"
PHOTOS = sorted((Path(__file__).parents[3] / "examples").glob("*.png"))


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
    preprocess = compile_transforms(describe(get_entry(NAME).exported))
    pixels = np.asarray(Image.open(photo).convert("RGB"))
    np.testing.assert_allclose(preprocess(pixels), prepared(photo), atol=1e-6)


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda path: path.stem)
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
    for backend in ("onnxruntime", "paddle"):
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
