"""Laws of augmentation, and its figures against the recipe it follows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pictures import photo

from clsctl.errors import UsageError
from clsctl.images.preprocess import compile_transforms, transform_ops
from clsctl.loading.augment import AugmentConfig, crop_box, train_transform
from clsctl.values import Preprocessing

PLAIN = AugmentConfig(crop_scale=(1, 1), crop_ratio=(1, 1), flip=0)
MODELS = {
    "cv2": Preprocessing(0, 32),
    "pil": Preprocessing(0, 32, "bicubic", "pil", mean=(0.5, 0.4, 0.3), std=(0.25, 0.125, 0.5)),
    "unscaled": Preprocessing(0, 32, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
}
sides = st.integers(1, 700)
seeds = st.integers(0, 2**32)


@pytest.mark.parametrize("name", MODELS)
def test_without_variation_it_is_prediction_to_the_bit(name):
    pixels = photo(32, 32)
    expected = compile_transforms(transform_ops(MODELS[name]))(pixels)
    tensor = train_transform(MODELS[name], PLAIN)(pixels, np.random.default_rng(0))
    assert tensor.dtype == np.float32
    assert tensor.tobytes() == expected.tobytes()


def test_resizing_is_that_of_prediction():
    pixels = photo(48, 48)
    for backend in ("cv2", "pil"):
        model = Preprocessing(32, 32, "bilinear", backend)
        expected = compile_transforms(transform_ops(model))(pixels)
        tensor = train_transform(model, PLAIN)(pixels, np.random.default_rng(0))
        assert tensor.tobytes() == expected.tobytes()


def test_an_input_that_is_not_square_is_the_whole_image_as_in_prediction():
    pixels = photo(36, 144)
    model = Preprocessing(24, (24, 80))
    expected = compile_transforms(transform_ops(model))(pixels)
    tensor = train_transform(model, PLAIN)(pixels, np.random.default_rng(0))
    assert tensor.shape == (3, 24, 80)
    assert tensor.tobytes() == expected.tobytes()


def test_a_flip_is_a_mirror_image():
    pixels = photo(32, 32)
    always = AugmentConfig(crop_scale=(1, 1), crop_ratio=(1, 1), flip=1)
    mirrored = train_transform(MODELS["cv2"], always)(pixels, np.random.default_rng(0))
    plain = compile_transforms(transform_ops(MODELS["cv2"]))(pixels)
    assert np.array_equal(mirrored, plain[:, :, ::-1])


@given(height=sides, width=sides, seed=seeds)
def test_a_crop_is_inside_the_image_and_of_the_shape_asked_for(height, width, seed):
    options = AugmentConfig()
    rng = np.random.default_rng(seed)
    top, left, tall, wide = crop_box(height, width, options, rng)
    assert 0 <= top < top + tall <= height
    assert 0 <= left < left + wide <= width
    # Rounding takes up to a pixel off each side.
    assume(min(tall, wide) > 1)
    assert wide / (tall + 1) <= options.crop_ratio[1]
    assert (wide + 1) / tall >= options.crop_ratio[0]
    assert tall * wide <= height * width
    low = min(options.crop_scale[0], 0.75 * height / width, 0.75 * width / height)
    assert (tall + 1) * (wide + 1) >= low * height * width


def test_crops_are_spread_as_paddleclas_spreads_them():
    """On a square image the area is uniform over 0.08 to the largest that the ratio allows."""
    rng = np.random.default_rng(1)
    side, options = 2000, AugmentConfig()
    boxes = np.array([crop_box(side, side, options, rng) for _ in range(4000)])
    ratios = boxes[:, 3] / boxes[:, 2]
    areas = boxes[:, 2] * boxes[:, 3] / side**2
    # For a ratio uniform over 3/4 to 4/3 the mean of min(ratio, 1/ratio) is (7/32 + ln 4/3) * 12/7.
    most = (7 / 32 + math.log(4 / 3)) * 12 / 7
    assert abs(ratios.mean() - 25 / 24) < 0.01
    assert abs(areas.mean() - (0.08 + most) / 2) < 0.015
    centred = boxes[:, :2].mean(axis=0) / (side - boxes[:, 2:].mean(axis=0))
    assert np.abs(centred - 0.5).max() < 0.03


def test_about_half_of_the_images_are_flipped():
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, 16:] = 255
    options = AugmentConfig(crop_scale=(1, 1), crop_ratio=(1, 1))
    transform = train_transform(MODELS["unscaled"], options)
    rng = np.random.default_rng(0)
    flipped = [transform(pixels, rng)[0, 0, 0] == 1 for _ in range(400)]
    assert 150 < sum(flipped) < 250


@settings(max_examples=60)
@given(height=sides, width=sides, seed=seeds, strength=st.floats(0, 10))
def test_every_variation_gives_the_networks_input(height, width, seed, strength):
    options = AugmentConfig(randaugment=3, strength=strength, erasing=0.5)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    before = pixels.copy()
    transform = train_transform(MODELS["cv2"], options)
    tensor = transform(pixels, np.random.default_rng(seed))
    assert (tensor.shape, tensor.dtype) == ((3, 32, 32), np.float32)
    assert np.isfinite(tensor).all()
    assert np.array_equal(pixels, before)
    assert np.array_equal(tensor, transform(pixels, np.random.default_rng(seed)))


def test_randaugment_of_no_strength_changes_colours_only():
    """Equalize and autocontrast have no strength; every other operation then does nothing."""
    flat = np.full((32, 32, 3), 77, np.uint8)
    options = AugmentConfig(crop_scale=(1, 1), crop_ratio=(1, 1), flip=0, randaugment=5, strength=0)
    transform = train_transform(MODELS["cv2"], options)
    expected = compile_transforms(transform_ops(MODELS["cv2"]))(flat)
    for seed in range(30):
        assert np.array_equal(transform(flat, np.random.default_rng(seed)), expected)


def test_no_operation_of_randaugment_blots_a_picture_out():
    pixels = photo(64, 64)
    options = AugmentConfig(randaugment=1, strength=10)
    transform = train_transform(MODELS["unscaled"], options)
    spreads = [transform(pixels, np.random.default_rng(seed)).std() for seed in range(200)]
    assert min(spreads) > 0.01


def test_operations_of_one_strength_are_few_and_those_of_random_strength_are_many():
    """Fourteen operations at one strength and two signs can give no more than 28 pictures."""
    plain = {"crop_scale": (1, 1), "crop_ratio": (1, 1), "flip": 0}
    for varied in (False, True):
        options = AugmentConfig(**plain, randaugment=1, strength=10, random_strength=varied)
        transform = train_transform(MODELS["unscaled"], options)
        pictures = {
            transform(photo(64, 64), np.random.default_rng(seed)).tobytes() for seed in range(200)
        }
        assert (len(pictures) > 28) == varied


def test_erasing_replaces_one_rectangle():
    pixels = np.zeros((32, 32, 3), np.uint8)
    model = MODELS["unscaled"]
    options = AugmentConfig(erasing=1)
    for seed in range(50):
        tensor = train_transform(model, options)(pixels, np.random.default_rng(seed))
        touched = (tensor != 0).any(axis=0)
        rows, columns = np.flatnonzero(touched.any(1)), np.flatnonzero(touched.any(0))
        box = touched[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert box.all()
        assert touched.sum() == box.size
        assert 0.01 < box.size / 1024 < 0.37


@pytest.mark.parametrize("scale", [(0, 1), (0.9, 0.5), (0.5, 1.5)])
def test_an_impossible_range_is_explained(scale):
    with pytest.raises(UsageError) as caught:
        train_transform(MODELS["cv2"], AugmentConfig(crop_scale=scale))
    assert caught.value.code == "E_CONFIG"
    assert caught.value.message == (
        f"augment.crop_scale is {scale[0]:g} to {scale[1]:g}; "
        "it must be two numbers above 0, at most 1, the smaller one first"
    )
