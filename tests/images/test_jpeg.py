"""JPEGs give OpenCV's pixels to the bit, and what is wrong with them is told, not printed."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pictures
import pytest
from PIL import Image

from clsctl.errors import DataError
from clsctl.images.decode import iter_pages
from clsctl.settings import Settings

SETTINGS = Settings()
PHOTO = pictures.photo(123, 77)
PLAIN = pictures.encoded(PHOTO, "JPEG", quality=90)
SCAN = PLAIN.index(b"\xff\xda")
MIDDLE = (SCAN + len(PLAIN)) // 2


def decode(data: bytes, settings: Settings = SETTINGS) -> tuple[pictures.Array, list[str]]:
    warnings: list[str] = []
    [pixels] = [page.decode() for page in iter_pages(data, settings, warnings.append)]
    return pixels, warnings


def with_opencv(data: bytes, flags: int = cv2.IMREAD_COLOR) -> pictures.Array:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">HH", marker, len(content) + 2) + content


def exif(orientation: int, order: str = "<") -> bytes:
    begin = b"II*\0" if order == "<" else b"MM\0*"
    tag = struct.pack(f"{order}IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)
    return segment(0xFFE1, b"Exif\0\0" + begin + tag)


def with_segments(*segments: bytes) -> bytes:
    return PLAIN[:2] + b"".join(segments) + PLAIN[2:]


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [5, 75, 98])
def test_the_pixels_are_opencvs(subsampling, progressive, quality):
    options = {"subsampling": subsampling, "progressive": progressive, "quality": quality}
    data = pictures.encoded(PHOTO, "JPEG", **options)
    pixels, warnings = decode(data)
    np.testing.assert_array_equal(pixels, with_opencv(data))
    assert not warnings


@pytest.mark.parametrize("part", [2, 4, 8])
@pytest.mark.parametrize("orientation", [1, 6])
def test_reduced_pixels_are_opencvs(part, orientation):
    data = pictures.oriented("JPEG", orientation)
    flags = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}
    expected = with_opencv(data, flags.get(part, cv2.IMREAD_REDUCED_COLOR_8))
    pixels, _ = decode(data, Settings(draft=pictures.photo().shape[0] // part))
    np.testing.assert_array_equal(pixels, expected)


XMP = segment(0xFFE1, b"http://ns.adobe.com/xap/1.0/\0<x/>")
BROKEN = segment(0xFFE1, b"Exif\0\0II")
TURNED = [(exif(6),), (exif(6, ">"),), (XMP, exif(6)), (exif(6), XMP), (exif(6), exif(3))]
TURNED += [(BROKEN, exif(6)), (exif(1), exif(6)), (exif(0),), (exif(9),)]


@pytest.mark.parametrize("segments", [*TURNED, *((exif(number),) for number in range(1, 9))])
def test_exif_data_turn_the_image_as_in_opencv(segments):
    data = with_segments(*segments)
    np.testing.assert_array_equal(decode(data)[0], with_opencv(data))


def adobe(transform: int) -> bytes:
    return with_segments(segment(0xFFEE, b"Adobe\0\x64\0\0\0\0" + bytes([transform])))


def cmyk(transform: int) -> bytes:
    data = pictures.encoded(Image.fromarray(PHOTO).convert("CMYK"), "JPEG")
    at = data.index(b"Adobe") + 11
    return data[:at] + bytes([transform]) + data[at + 1 :]


@pytest.mark.parametrize(
    "data",
    [
        pictures.encoded(PHOTO[..., 0], "JPEG"),
        pictures.encoded(PHOTO, "JPEG", keep_rgb=True),
        *map(adobe, (0, 1)),
        *map(cmyk, (0, 2)),
    ],
    ids=["grey", "rgb", "adobe-rgb", "adobe-ycc", "cmyk", "ycck"],
)
def test_every_colour_space_gives_opencvs_pixels(data):
    np.testing.assert_array_equal(decode(data)[0], with_opencv(data))


DAMAGED = {
    "hole": PLAIN[:MIDDLE] + bytes(800) + PLAIN[MIDDLE + 800 :],
    "cut and closed": PLAIN[:MIDDLE] + b"\xff\xd9",
    "stray marker": PLAIN[:MIDDLE] + b"\xff\xc4" + PLAIN[MIDDLE:],
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_damage_is_told_and_what_there_is_is_decoded(data, capfd):
    pixels, [warning] = decode(data)
    assert pixels.shape == PHOTO.shape
    assert "damaged" in warning
    assert capfd.readouterr().err == ""
    np.testing.assert_array_equal(pixels, with_opencv(data))


def test_a_whole_image_without_its_end_marker_is_read_and_that_is_told(capfd):
    pixels, [warning] = decode(PLAIN[:-2])
    np.testing.assert_array_equal(pixels, with_opencv(PLAIN))
    assert "lacks the marker of its end" in warning
    assert capfd.readouterr().err == ""


def test_zeros_that_are_an_image_are_no_hole():
    """Where the end of a block is written as zeros, and so is the same brightness again."""
    options = [cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    blank = cv2.imencode(".jpg", np.full((2000, 2000), 99, np.uint8), options)[1].tobytes()
    assert bytes(600) in blank
    assert decode(blank)[1] == []


def test_zeros_behind_the_image_are_no_hole():
    assert decode(PLAIN + bytes(1000))[1] == []


def test_garbage_before_a_marker_is_told_and_read_over(capfd):
    pixels, [warning] = decode(PLAIN[:20] + b"\0\1\2" + PLAIN[20:])
    np.testing.assert_array_equal(pixels, with_opencv(PLAIN))
    assert "3 extraneous bytes" in warning
    assert capfd.readouterr().err == ""


def test_a_version_that_nobody_knows_is_no_damage():
    at = PLAIN.index(b"JFIF\0") + 5
    data = PLAIN[:at] + b"\7" + PLAIN[at + 1 :]
    pixels, warnings = decode(data)
    np.testing.assert_array_equal(pixels, decode(PLAIN)[0])
    assert not warnings


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (PLAIN[:MIDDLE], "E_IMAGE_TRUNCATED"),
        (PLAIN[:SCAN], "E_IMAGE_TRUNCATED"),
        (PLAIN[:-3], "E_IMAGE_TRUNCATED"),
        (PLAIN[:2] + PLAIN, "E_IMAGE_CORRUPT"),
        (PLAIN[:2] + b"\xff\xd9" + PLAIN[2:], "E_IMAGE_CORRUPT"),
        (PLAIN[:2] + b"\xff\x02" + PLAIN[2:], "E_IMAGE_CORRUPT"),
        (PLAIN[:2] + b"\xff\xe0\0\1" + PLAIN[2:], "E_IMAGE_CORRUPT"),
        (with_segments(PLAIN[PLAIN.index(b"\xff\xc0") :][:19]), "E_IMAGE_CORRUPT"),
        (PLAIN[: PLAIN.index(b"\xff\xc0")] + PLAIN[SCAN:], "E_IMAGE_CORRUPT"),
    ],
)
def test_what_cannot_be_decoded_is_an_error(data, code, capfd):
    with pytest.raises(DataError) as caught:
        decode(data)
    assert caught.value.code == code
    assert capfd.readouterr().err == ""


def test_a_frame_behind_markers_without_length_is_found():
    """A reader that took FFD0 for a marker with a length would find another one, or none."""
    frame = PLAIN.index(b"\xff\xc0")
    huge = PLAIN[: frame + 5] + struct.pack(">HH", 32_000, 32_000) + PLAIN[frame + 9 :]
    for marker in (b"\xff\x01", *(bytes([0xFF, number]) for number in range(0xD0, 0xD8))):
        with pytest.raises(DataError, match="32000 x 32000"):
            decode(huge[:frame] + marker + b"\xff\xff" + huge[frame:])


def test_a_photo_of_many_scans_ends_in_time():
    data = pictures.many_scans(2000)
    with pytest.raises(DataError) as caught:
        decode(data, Settings(input_timeout=1))
    assert caught.value.code == "E_INPUT_TIMEOUT"
