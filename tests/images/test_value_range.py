"""Images of more than 8 bits are brought to 8 by the range that a model was trained with."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pictures
import pytest

from clsctl.errors import DataError
from clsctl.images.decode import from_array, iter_pages
from clsctl.images.preprocess import compile_transforms, image_settings, transform_ops
from clsctl.images.read import read_span
from clsctl.settings import Settings
from clsctl.values import Preprocessing, ValueRange

RAMP = np.arange(1000, 1256).reshape(16, 16)
"""As many values as 8 bits hold, in two high bytes."""

COLOURS = np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], axis=2)
SHOWN = {"grey": (RAMP - 1000)[..., None].repeat(3, axis=2), "colours": COLOURS - 1000}
VALUES = {"grey": RAMP, "colours": COLOURS}


def png(values: pictures.Array) -> bytes:
    return cv2.imencode(".png", values if values.ndim == 2 else values[..., ::-1])[1].tobytes()


def settings(dtype: str, low: float = 1000, high: float = 1255) -> Settings:
    return Settings(value_range=ValueRange(low, high, dtype))


def decode(content: bytes, wanted: Settings) -> pictures.Array:
    [pixels] = [page.decode() for page in iter_pages(content, wanted)]
    return pixels


@pytest.mark.parametrize("channels", VALUES)
@pytest.mark.parametrize(
    ("dtype", "encode"),
    [
        ("uint16", png),
        ("uint16", pictures.tiff),
        ("float32", pictures.tiff),
    ],
)
def test_every_value_of_the_range_keeps_its_place(dtype, encode, channels) -> None:
    content = encode(VALUES[channels].astype(dtype))
    np.testing.assert_array_equal(decode(content, settings(dtype)), SHOWN[channels])


def test_64_bits_count_as_32(tmp_path: Path) -> None:
    content = pictures.tiff(RAMP.astype("f8"))
    np.testing.assert_array_equal(decode(content, settings("float32")), SHOWN["grey"])


def test_values_outside_are_black_and_white() -> None:
    pixels = decode(png(RAMP.astype("u2")), settings("uint16", 1100, 1200))
    assert not pixels[RAMP <= 1100].any()
    assert (pixels[RAMP >= 1200] == 255).all()


def test_transparency_is_dropped() -> None:
    values = np.dstack([COLOURS, RAMP]).astype("u2")
    for content in (pictures.tiff(values, extra=2), pictures.tiff(values)):
        np.testing.assert_array_equal(decode(content, settings("uint16")), SHOWN["colours"])


def test_each_page_of_a_tiff_is_read() -> None:
    pages = [COLOURS.astype("u2"), COLOURS[::-1].astype("u2")]
    content = cv2.imencodemulti(".tiff", [page[..., ::-1] for page in pages])[1].tobytes()
    found = [page.decode() for page in iter_pages(content, settings("uint16"))]
    np.testing.assert_array_equal(found, [SHOWN["colours"], SHOWN["colours"][::-1]])


@pytest.mark.parametrize(
    "content",
    [
        pictures.encoded(pictures.photo(), "JPEG"),
        pictures.encoded(pictures.photo(), "PNG"),
        pictures.encoded(pictures.photo(), "TIFF"),
        pictures.encoded(pictures.photo(), "GIF"),
        pictures.tiff(RAMP.astype("f4")),
    ],
    ids=["JPEG", "PNG", "TIFF", "GIF", "floats"],
)
def test_an_image_of_another_depth_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match=r"1000 to 1255 \(uint16\)") as caught:
        decode(content, settings("uint16"))
    assert caught.value.code == "E_IMAGE_DEPTH"


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(DataError, match="not numbers") as caught:
        decode(pictures.tiff(np.full((4, 4), np.nan, "f4")), settings("float32"))
    assert caught.value.code == "E_IMAGE_RANGE"


def test_arrays_are_read_by_the_range_too() -> None:
    wanted = ValueRange(1000, 1255, "uint16")
    blue_first = COLOURS[..., ::-1].astype("u2")
    np.testing.assert_array_equal(from_array(blue_first, wanted), SHOWN["colours"])
    np.testing.assert_array_equal(from_array(RAMP.astype("u2"), wanted), SHOWN["grey"])
    with pytest.raises(DataError, match="uint8"):
        from_array(pictures.photo(), wanted)


@pytest.mark.parametrize(
    ("content", "dtype"),
    [
        (png(RAMP.astype("u2")), "uint16"),
        (pictures.tiff(COLOURS.astype("u2")), "uint16"),
        (pictures.tiff(COLOURS.astype("f4")), "float32"),
        (pictures.encoded(pictures.photo(), "TIFF"), "uint8"),
        (pictures.encoded(pictures.photo(), "JPEG"), "uint8"),
        (pictures.encoded(pictures.photo(), "GIF"), "uint8"),
    ],
)
def test_the_span_of_the_values_is_found(content: bytes, dtype: str, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(content)
    span = read_span(tmp_path / "image", Settings())
    low, high = (0, 255) if dtype == "uint8" else (1000, 1255)
    assert span.dtype == dtype
    # A thousandth of 256 values is less than one of them, and they are 1 apart.
    assert span[1:] == pytest.approx((low, high), abs=1)


def test_a_models_preprocessing_says_how_its_images_are_read() -> None:
    wanted = ValueRange(0, 4095, "uint16")
    transforms = transform_ops(Preprocessing(256, 224, value_range=wanted))
    assert transforms[0] == {
        "DecodeImage": {"value_range": {"low": 0, "high": 4095, "dtype": "uint16"}}
    }
    assert image_settings(transforms, Settings()).value_range == wanted
    assert compile_transforms(transforms)(pictures.photo()).shape == (3, 224, 224)
    assert image_settings(transforms[1:], Settings(value_range=wanted)).value_range is None


@pytest.mark.parametrize(
    ("channels", "extra"),
    [(2, 0), (4, 0), (5, 0), (6, 0), (7, 0), (13, 0), (5, None)],
)
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_more_channels_than_a_picture_has_are_refused(channels, extra, dtype) -> None:
    """Pillow reads some of these, and leaves channels out."""
    with pytest.raises(DataError, match=f"{channels} channels") as caught:
        decode(pictures.tiff(np.zeros((4, 5, channels), dtype), extra=extra), Settings())
    assert caught.value.code == "E_IMAGE_CHANNELS"
