"""Class-activation maps: where they light up, and that every family has them."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from families import SMALL, built
from golden_rules import fill, manifest
from paths import EXAMPLES
from PIL import Image

from clsctl.errors import UsageError
from clsctl.images.preprocess import compile_transforms
from clsctl.interpretation.gradcam import SIDE, activation_map, draw_heatmap, network_view
from clsctl.interpretation.network import load_network
from clsctl.networks.trained_weights import find
from clsctl.settings import Settings

TIGER_CAT, ESPRESSO = 282, 967


@pytest.fixture(scope="module")
def lite(tmp_path_factory):
    """EfficientNet-Lite0 with its ImageNet weights, and its preprocessing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLSCTL_HOME", str(tmp_path_factory.mktemp("home")))
        model = find("EfficientNet-Lite0", None, Settings())
        return load_network(model), model.transforms


def photo(name):
    return np.asarray(Image.open(EXAMPLES / name).convert("RGB"))


def heat_of(lite, pixels, class_id=None):
    network, transforms = lite
    tensor = compile_transforms(transforms)(pixels)
    return activation_map(network, tensor, class_id)


# ---- where it lights up --------------------------------------------------------------------------


def test_the_cat_s_face_speaks_for_the_cat(lite):
    found = heat_of(lite, photo("chelsea.png"))
    assert found.class_id == TIGER_CAT
    assert found.score == pytest.approx(0.41, abs=0.01)
    assert found.heatmap.shape == (7, 7)
    assert (found.heatmap.min() >= 0, found.heatmap.max()) == (True, 1)
    # From the left eye to the right one, and from the brows to the nose.
    face = np.zeros((7, 7), bool)
    face[1:6, 1:6] = True
    assert found.heatmap[face].mean() > 1.5 * found.heatmap[~face].mean()


def test_each_class_lights_up_its_own_thing(lite):
    """A cat on the left and a cup on the right, in one picture."""
    halves = [
        np.asarray(Image.fromarray(photo(name)).resize((300, 600)))
        for name in ("chelsea.png", "coffee.png")
    ]
    both = np.concatenate(halves, axis=1)
    cat, cup = (heat_of(lite, both, class_id).heatmap for class_id in (TIGER_CAT, ESPRESSO))
    assert cat[:, :3].mean() > 2 * cat[:, 4:].mean()
    assert cup[:, 4:].mean() > 2 * cup[:, :3].mean()


def test_with_a_linear_classifier_on_pooled_features_the_map_is_the_class_activation_map():
    """Then Grad-CAM is the older method, a product of two arrays (Zhou et al. 2015)."""
    network = built("ResNet18").eval()
    fill(network, seed=3, gain=0.5)
    image = np.random.default_rng(0).standard_normal((3, 96, 96), dtype=np.float32)
    features = network.forward_features(paddle.to_tensor(image[None])).numpy()[0]
    expected = np.einsum("c,chw->hw", network.fc.weight.numpy()[:, 5], features).clip(0)
    assert expected.max() > 0
    heat = activation_map(network, image, class_id=5).heatmap
    np.testing.assert_allclose(heat, expected / expected.max(), atol=1e-4)


# ---- every family --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_every_family_has_a_map_of_the_right_way_round(name):
    network = built(name).eval()
    fill(network, manifest(name)["weight_seed"], manifest(name)["gain"])
    image = np.random.default_rng(0).standard_normal((3, 128, 128), dtype=np.float32)
    found = activation_map(network, image)
    side = found.heatmap.shape[0]
    assert found.heatmap.shape == (side, side)
    assert found.heatmap.dtype == np.float32
    assert 0 <= found.heatmap.min() <= found.heatmap.max() <= 1
    assert 0 < found.score <= 1
    # A change at the top right shows there more than one at the bottom left does, and vice versa.
    top_right, bottom_left = (slice(0, 64), slice(64, 128)), (slice(64, 128), slice(0, 64))
    upper, lower = (moved_map(network, image, where) for where in (top_right, bottom_left))
    half = side // 2
    assert upper[:half, -half:].mean() > lower[:half, -half:].mean()
    assert lower[-half:, :half].mean() > upper[-half:, :half].mean()


def moved_map(network, image, where):
    """Each place's share of the feature map's movement when a part of the image changes."""
    changed = image.copy()
    changed[:, where[0], where[1]] += 2
    with paddle.no_grad():
        features = network.forward_features(paddle.to_tensor(np.stack([image, changed])))
        before, after = network.feature_map(features).numpy()
    moved = np.abs(after - before).mean(0)
    return moved / moved.sum()


def test_explaining_leaves_the_network_as_it_was(lite):
    network, _ = lite
    before = {name: value.numpy().copy() for name, value in network.state_dict().items()}
    heat_of(lite, photo("coffee.png"))
    assert all(
        np.array_equal(value.numpy(), before[n]) for n, value in network.state_dict().items()
    )
    assert [n for n, value in network.named_parameters() if value.grad is not None] == []


@pytest.mark.parametrize("class_id", [1000, -1])
def test_a_class_that_is_not_there(lite, class_id):
    with pytest.raises(UsageError) as caught:
        heat_of(lite, photo("chelsea.png"), class_id)
    assert (caught.value.code, caught.value.message) == (
        "E_CLASS_UNKNOWN",
        f"there is no class {class_id}; the network has 1000, from 0 to 999",
    )


# ---- the picture ---------------------------------------------------------------------------------


def test_the_picture_is_bright_where_the_heat_is(lite):
    pixels = photo("coffee.png")
    found = heat_of(lite, pixels)
    view = network_view(pixels, lite[1])
    assert view.shape == (SIDE, SIDE, 3)
    picture = np.asarray(draw_heatmap(view, found.heatmap, "espresso 0.95")).astype(float)
    caption, shown = picture[:-SIDE], picture[-SIDE:]
    assert shown.shape == (SIDE, 2 * SIDE, 3)
    assert np.array_equal(shown[:, :SIDE], view)
    assert len(np.unique(caption.reshape(-1, 3), axis=0)) > 2, "there is text on the bar"
    row, column = np.unravel_index(found.heatmap.argmax(), found.heatmap.shape)
    cell = SIDE // 7
    hottest = shown[row * cell : (row + 1) * cell, SIDE + column * cell :][:, :cell]
    assert hottest.mean() > 1.5 * shown[:, SIDE:].mean()


def test_the_view_is_the_part_that_the_network_sees(lite):
    _, transforms = lite
    height, width = 400, 640
    pixels = np.zeros((height, width, 3), np.uint8)
    side = round(transforms[0]["CropImage"]["fraction"] * height)
    top, left = (height - side) // 2, (width - side) // 2
    pixels[top : top + side, left : left + side] = 255
    assert network_view(pixels, transforms).min() == 255
    whole = compile_transforms(transforms)(pixels)
    assert whole.min() == whole.max()
