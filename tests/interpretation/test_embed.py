"""Embeddings: one row an image, in order, and near to each other for pictures that are alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pictures
import pytest
from paths import EXAMPLES
from PIL import Image, ImageOps

import clsctl
from clsctl.interpretation.embed import compute_embeddings
from clsctl.interpretation.network import load_network
from clsctl.networks.trained_weights import find
from clsctl.settings import Settings

SETTINGS = Settings()


@pytest.fixture(scope="module")
def lite(tmp_path_factory):
    """EfficientNet-Lite0 with its ImageNet weights, and its preprocessing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLSCTL_HOME", str(tmp_path_factory.mktemp("home")))
        model = find("EfficientNet-Lite0", None, SETTINGS)
        return load_network(model), model.transforms


def test_pictures_that_are_alike_are_near_each_other(lite, tmp_path):
    cat = Image.open(EXAMPLES / "chelsea.png").convert("RGB")
    ImageOps.mirror(cat).save(tmp_path / "mirrored.jpg", quality=60)
    inputs = [EXAMPLES / "chelsea.png", tmp_path / "mirrored.jpg", EXAMPLES / "coffee.png"]
    vectors = compute_embeddings(*lite, inputs, SETTINGS).vectors
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    likeness = unit @ unit.T
    assert likeness[0, 1] > 0.9
    assert likeness[0, 2] < 0.6


def test_the_embedding_is_what_the_classifier_gets(lite):
    network, transforms = lite
    cat = np.asarray(Image.open(EXAMPLES / "chelsea.png").convert("RGB"))[:, :, ::-1]
    vectors = compute_embeddings(network, transforms, [cat], SETTINGS).vectors
    logits = network.head.fc(paddle.to_tensor(vectors)).numpy()
    assert int(logits.argmax()) == 282


def test_a_row_does_not_depend_on_its_batch(lite, tmp_path):
    inputs = [pictures.photo(seed=seed) for seed in range(5)]
    singly, together = (
        compute_embeddings(*lite, inputs, SETTINGS, size).vectors for size in (1, 3)
    )
    np.testing.assert_allclose(singly, together, atol=1e-5)
    assert singly.shape == (5, 1280)
    assert singly.dtype == np.float32


def test_what_cannot_be_read_is_left_out_and_shifts_nothing(lite, tmp_path):
    good = pictures.encoded(pictures.photo(), "PNG")
    tiff = Image.fromarray(pictures.photo(seed=1))
    tiff.save(tmp_path / "c.tif", save_all=True, append_images=[Image.fromarray(pictures.photo())])
    pictures.write(tmp_path, {"a.png": good, "b.png": b"no image", "d.png": good})
    found = compute_embeddings(*lite, [tmp_path], SETTINGS, batch_size=2)
    names = [Path(source).name for source in found.sources]
    assert names == ["a.png", "c.tif", "c.tif", "d.png"]
    assert found.pages == [-1, 0, 1, -1]
    assert [Path(sample.input_path).name for sample in found.errors] == ["b.png"]
    np.testing.assert_allclose(found.vectors[0], found.vectors[3], atol=1e-5)
    np.testing.assert_allclose(found.vectors[0], found.vectors[2], atol=1e-5)


def test_nothing_to_embed_is_an_empty_table(lite, tmp_path):
    found = compute_embeddings(*lite, [tmp_path / "none.png"], SETTINGS)
    assert found.vectors.shape == (0, 1280)
    assert len(found.errors) == 1


def test_weights_of_one_s_own_bring_their_number_of_classes(tmp_path):
    network = clsctl.build("MobileNetV1_x0_25", num_classes=3, seed=1)
    paddle.save(network.state_dict(), str(tmp_path / "w.pdparams"))
    loaded = load_network(find("MobileNetV1_x0_25", tmp_path / "w.pdparams", SETTINGS))
    assert loaded.fc.weight.shape == [256, 3]
    assert not loaded.training
