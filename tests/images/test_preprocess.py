"""The network's input is PaddleX's to the bit, for any image and any model of the catalog."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import cv2
import numpy as np
import paths
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clsctl.errors import DataError, ModelError
from clsctl.images.preprocess import compile_transforms, transform_ops
from clsctl.models.catalog import load_catalog
from clsctl.values import Preprocessing

GOLDEN = json.loads((paths.GOLDEN / "preprocess.json").read_text())
PLAIN = [{"NormalizeImage": {"scale": 1, "mean": 0.0, "std": 1.0}}, {"ToCHWImage": None}]
OF_THE_CATALOG = sorted(
    {kind for entry in load_catalog().values() for kind in (entry.preprocessing, entry.exported)},
    key=str,
)
SIDES = st.integers(1, 400)


def noise(height: int, width: int) -> Any:
    generator = np.random.default_rng([height, width])
    return generator.integers(0, 256, (height, width, 3), dtype=np.uint8)


def coordinates(height: int, width: int) -> Any:
    """Red is the row, green the column, of sides up to 256."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([y, x, 0 * x], axis=2).astype(np.uint8)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
def test_output_is_paddlex_s_to_the_bit(case: dict[str, Any]) -> None:
    preprocess = compile_transforms(case["transform_ops"])
    for size, expected in case["sha256"].items():
        output = preprocess(noise(*map(int, size.split("x"))))
        assert output.dtype == np.float32
        assert hashlib.sha256(output.tobytes()).hexdigest() == expected, size


@pytest.mark.parametrize("kind", OF_THE_CATALOG, ids=str)
@settings(max_examples=6)
@given(height=SIDES, width=SIDES)
def test_any_image_becomes_the_network_s_square(
    kind: Preprocessing, height: int, width: int
) -> None:
    output = compile_transforms(transform_ops(kind))(noise(height, width))
    assert output.shape == (3, *kind.input_size)
    assert output.dtype == np.float32
    assert output.flags.c_contiguous


@given(height=SIDES, width=SIDES)
@settings(max_examples=6)
def test_any_image_becomes_an_input_that_is_not_square(height: int, width: int) -> None:
    """It is brought to the input's proportions, of which the centre is cut out."""
    image = noise(height, width)
    plain = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    output = compile_transforms(transform_ops(Preprocessing(110, (96, 320), **plain)))(image)
    whole = cv2.resize(image, (round(320 * 110 / 96), 110), interpolation=cv2.INTER_LINEAR)
    expected = whole[7:103, 23:343].transpose(2, 0, 1) * np.float32(1 / 255)
    np.testing.assert_array_equal(output, expected)


@given(
    scale=st.floats(1e-3, 2),
    means=st.lists(st.floats(-200, 200), min_size=3, max_size=3),
    stds=st.lists(st.floats(1e-2, 200), min_size=3, max_size=3),
)
def test_looking_up_is_calculating_to_the_bit(
    scale: float, means: list[float], stds: list[float]
) -> None:
    image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    normalize = {"scale": scale, "mean": means, "std": stds}
    output = compile_transforms([{"NormalizeImage": normalize}, {"ToCHWImage": {}}])(image)
    for channel in range(3):
        plane = image[:, :, channel].astype(np.float32)
        plane *= scale / stds[channel]
        plane += -means[channel] / stds[channel]
        assert output[channel].tobytes() == plane.tobytes()


def test_a_scale_may_be_written_as_a_division() -> None:
    number, text = (
        [{"NormalizeImage": {"scale": scale}}, {"ToCHWImage": None}]
        for scale in (1 / 255, "1.0/255.0")
    )
    image = noise(9, 9)
    assert (compile_transforms(number)(image) == compile_transforms(text)(image)).all()


def test_what_paddleclas_writes_for_its_own_reader_is_accepted() -> None:
    decode = {"DecodeImage": {"to_rgb": True, "channel_first": False}}
    assert (
        compile_transforms([decode, *PLAIN])(noise(3, 4)) == noise(3, 4).transpose(2, 0, 1)
    ).all()


@given(height=st.integers(1, 256), width=st.integers(1, 256))
def test_a_fraction_is_cropped_where_tensorflow_s_efficientnet_crops(
    height: int, width: int
) -> None:
    output = compile_transforms([{"CropImage": {"fraction": 0.875}}, *PLAIN])(
        coordinates(height, width)
    )
    side = max(1, int(224 / (224 + 32) * min(height, width)))
    assert output.shape == (3, side, side)
    assert output[0, 0, 0] == (height - side + 1) // 2
    assert output[1, 0, 0] == (width - side + 1) // 2


def test_a_crop_leaves_the_odd_pixel_at_the_bottom_and_right() -> None:
    output = compile_transforms([{"CropImage": {"size": [4, 2]}}, *PLAIN])(coordinates(5, 9))
    assert output.shape == (3, 2, 4)
    assert output[:2, 0, 0].tolist() == [1, 2]


@pytest.mark.parametrize("library", ["cv2", "pil"])
def test_a_crop_of_a_crop_is_cut_from_it(library: str) -> None:
    resize = {"ResizeImage": {"resize_short": 20, "backend": library}}
    crops = [{"CropImage": {"size": size}} for size in (16, [9, 5])]
    once = compile_transforms([resize, *PLAIN])(noise(30, 45))
    both = compile_transforms([resize, *crops, *PLAIN])(noise(30, 45))
    assert (both == once[:, 2:18, 7:23][:, 5:10, 3:12]).all()


def test_a_crop_of_a_smaller_image_is_an_error() -> None:
    with pytest.raises(DataError) as caught:
        compile_transforms([{"CropImage": {"size": 8}}, *PLAIN])(noise(7, 9))
    assert caught.value.code == "E_IMAGE_TOO_SMALL"
    assert "9 x 7 pixels" in caught.value.message


def test_an_image_too_thin_to_resize_is_an_error_before_memory_is_taken() -> None:
    thin = np.zeros((1, 65_000, 3), np.uint8)
    with pytest.raises(DataError) as caught:
        compile_transforms([{"ResizeImage": {"resize_short": 256}}, *PLAIN])(thin)
    assert caught.value.code == "E_IMAGE_TOO_LARGE"
    assert "16640000 x 256" in caught.value.message


# ---- what is written on export -----------------------------------------------------------------


def test_the_usual_preprocessing_is_written_as_paddlex_writes_it() -> None:
    assert transform_ops(Preprocessing(256, 224)) == [
        {"ResizeImage": {"resize_short": 256}},
        {"CropImage": {"size": 224}},
        {
            "NormalizeImage": {
                "scale": 1 / 255,
                "mean": [0.485, 0.456, 0.406],
                "std": [0.229, 0.224, 0.225],
                "order": "",
                "channel_num": 3,
            }
        },
        {"ToCHWImage": None},
    ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            Preprocessing(232, 224, "bicubic", "pil"),
            [
                {
                    "ResizeImage": {
                        "resize_short": 232,
                        "interpolation": "bicubic",
                        "backend": "pil",
                    }
                },
                {"CropImage": {"size": 224}},
            ],
        ),
        (
            Preprocessing(256, 224, "lanczos"),
            [
                {
                    "ResizeImage": {
                        "resize_short": 256,
                        "interpolation": "LANCZOS4",
                        "backend": "cv2",
                    }
                },
                {"CropImage": {"size": 224}},
            ],
        ),
        (
            Preprocessing(0, 224, "bicubic", "pil", crop_fraction=0.875),
            [
                {"CropImage": {"fraction": 0.875}},
                {"ResizeImage": {"size": 224, "interpolation": "bicubic", "backend": "pil"}},
            ],
        ),
        (Preprocessing(0, 224), [{"CropImage": {"size": 224}}]),
    ],
)
def test_other_preprocessing_is_written_in_paddlex_s_words(
    kind: Preprocessing, expected: list[dict[str, Any]]
) -> None:
    assert transform_ops(kind)[:-2] == expected


# ---- what cannot be followed -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ops", "code", "reason"),
    [
        ([{"RotateImage": {}}, *PLAIN], "E_TRANSFORM_UNKNOWN", "unknown operation 'RotateImage'"),
        (
            [{"CropImage": {"sizes": 3}}, *PLAIN],
            "E_TRANSFORM_UNKNOWN",
            "argument of CropImage 'sizes'",
        ),
        ([{"ResizeImage": {}}, *PLAIN], "E_TRANSFORM_INVALID", "needs resize_short or size"),
        ([{"CropImage": {"size": 0}}, *PLAIN], "E_TRANSFORM_INVALID", "expected a size in pixels"),
        (
            [{"ResizeImage": {"size": 9, "interpolation": "cubism"}}, *PLAIN],
            "E_TRANSFORM_INVALID",
            "unknown interpolation 'cubism'",
        ),
        (
            [{"ResizeImage": {"size": 9, "backend": "PIL"}}, *PLAIN],
            "E_TRANSFORM_INVALID",
            "unknown backend 'PIL'",
        ),
        ([{"DecodeImage": {"to_rgb": False}}, *PLAIN], "E_TRANSFORM_INVALID", "only RGB"),
        (PLAIN[:1], "E_TRANSFORM_INVALID", "must end with NormalizeImage and ToCHWImage"),
        (PLAIN[::-1], "E_TRANSFORM_INVALID", "must end with NormalizeImage and ToCHWImage"),
        ([], "E_TRANSFORM_INVALID", "must end with NormalizeImage and ToCHWImage"),
        (
            [{"NormalizeImage": {"scale": "__import__('os').getcwd()"}}, PLAIN[1]],
            "E_TRANSFORM_INVALID",
            "could not convert",
        ),
        (
            [{"NormalizeImage": {"std": 0.0}}, PLAIN[1]],
            "E_TRANSFORM_INVALID",
            "std: expected a number",
        ),
        ([{"NormalizeImage": {"mean": [1, 2]}}, PLAIN[1]], "E_TRANSFORM_INVALID", "NormalizeImage"),
        *(
            ([{"ResizeImage": {name: side}}, *PLAIN], "E_TRANSFORM_INVALID", f"{name}: expected")
            for name in ("resize_short", "size")
            for side in (0, -1, 224.5, True, 10**400, math.nan, "x", [1], [1, 2, 3], 5000, {})
        ),
        ([{"CropImage": [224]}, *PLAIN], "E_TRANSFORM_INVALID", "CropImage: expected a table"),
        ([{"CropImage": {"fraction": math.nan}}, *PLAIN], "E_TRANSFORM_INVALID", "fraction"),
        ([{"CropImage": {"fraction": 2}}, *PLAIN], "E_TRANSFORM_INVALID", "fraction"),
        *(
            ([{"NormalizeImage": {name: value}}, PLAIN[1]], "E_TRANSFORM_INVALID", name)
            for name in ("mean", "std", "scale")
            for value in (10**400, math.inf, math.nan, [0.5] * 4, [None] * 3, None, 1e300)
        ),
        ([{"NormalizeImage": {"scale": "1/0"}}, PLAIN[1]], "E_TRANSFORM_INVALID", "division"),
        ([{"NormalizeImage": {"scale": "1e999/1"}}, PLAIN[1]], "E_TRANSFORM_INVALID", "number"),
        ([{"NormalizeImage": {"std": [1, 1, -1]}}, PLAIN[1]], "E_TRANSFORM_INVALID", "std"),
        ([{"NormalizeImage": {1: 2}}, PLAIN[1]], "E_TRANSFORM_UNKNOWN", "argument of Normal"),
        ([{"NormalizeImage": {"order": "chw"}}, PLAIN[1]], "E_TRANSFORM_INVALID", "three channels"),
    ],
)
def test_what_cannot_be_followed_is_named(ops: list[Any], code: str, reason: str) -> None:
    with pytest.raises(ModelError) as caught:
        compile_transforms(ops)
    assert caught.value.code == code
    assert reason in caught.value.message
