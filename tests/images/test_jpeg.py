"""The faster decoder gives OpenCV's pixels to the bit, or leaves the file to OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pictures
import pytest
from PIL import Image

from clsctl.images import jpeg
from clsctl.images.jpeg import decode_large

pytest.importorskip("simplejpeg")

PHOTO = pictures.photo(123, 77)


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg, "LARGE", 1)


def with_opencv(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [5, 75, 98])
def test_the_pixels_are_opencvs(subsampling, progressive, quality):
    options = {"subsampling": subsampling, "progressive": progressive, "quality": quality}
    data = pictures.encoded(PHOTO, "JPEG", **options)
    decoded = decode_large(data, PHOTO.size)
    assert decoded is not None
    np.testing.assert_array_equal(decoded, with_opencv(data))


def test_an_upright_photo_with_exif_data_is_decoded_and_a_turned_one_is_not():
    for orientation in pictures.ORIENTATIONS:
        decoded = decode_large(pictures.oriented("JPEG", orientation), PHOTO.size)
        assert (decoded is not None) == (orientation == 1)


def grey() -> bytes:
    return pictures.encoded(PHOTO[..., 0], "JPEG")


def cmyk() -> bytes:
    return pictures.encoded(Image.fromarray(PHOTO).convert("CMYK"), "JPEG")


def damaged() -> bytes:
    data = bytearray(pictures.encoded(PHOTO, "JPEG"))
    data[len(data) // 2 : len(data) // 2 + 40] = b"\xff\xd8" * 20
    return bytes(data)


def headless() -> bytes:
    return b"\xff\xd8\xff\xe1\x00\x10Exif\0\0II"


@pytest.mark.parametrize("make", [grey, cmyk, damaged, headless])
def test_what_is_not_certain_is_left_to_opencv(make):
    assert decode_large(make(), PHOTO.size) is None


def test_a_small_photo_is_left_to_opencv(monkeypatch):
    monkeypatch.setattr(jpeg, "LARGE", PHOTO.size + 1)
    assert decode_large(pictures.encoded(PHOTO, "JPEG"), PHOTO.size) is None
