"""Pixels of every format, and the error for every kind of damage."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pictures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from clsctl.errors import DataError
from clsctl.images.decode import from_array, iter_pages
from clsctl.images.formats import SUFFIXES, format_of
from clsctl.installation import install_hint
from clsctl.settings import Settings

# Pillow also warns of some damage that ends in an error record.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

LIMIT = 178_956_970


def decode(content: bytes, limit: int = LIMIT) -> pictures.Array:
    [(number, decoded)] = decode_pages(content, limit)
    assert number is None
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous
    return decoded


def decode_pages(content: bytes, limit: int = LIMIT) -> list[tuple[int | None, pictures.Array]]:
    """The number of each page and its pixels, or its error."""
    pages = iter_pages(content, Settings(max_pixels=limit))
    return [(page.number, page.decode()) for page in pages]


def error_of(content: bytes, limit: int = LIMIT) -> DataError:
    with pytest.raises(DataError) as caught:
        decode(content, limit)
    return caught.value


def opencv(content: bytes) -> pictures.Array:
    """The rule that PaddleX follows."""
    bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


@pytest.mark.parametrize("name", pictures.lossless())
def test_a_lossless_file_gives_its_pixels_without_alpha_and_in_eight_bits(name: str) -> None:
    np.testing.assert_array_equal(decode(pictures.lossless()[name]), pictures.photo())


@pytest.mark.parametrize("name", pictures.lossless_grey())
def test_a_grey_file_gives_three_equal_channels(name: str) -> None:
    grey = pictures.photo()[:, :, :1].repeat(3, axis=2)
    np.testing.assert_array_equal(decode(pictures.lossless_grey()[name]), grey)


@pytest.mark.parametrize("name", pictures.lossy())
def test_a_lossy_file_gives_what_opencv_gives(name: str) -> None:
    content = pictures.lossy()[name]
    np.testing.assert_array_equal(decode(content), opencv(content))


@pytest.mark.parametrize("orientation", pictures.ORIENTATIONS)
def test_exif_orientation_is_applied(orientation: int) -> None:
    expected = pictures.upright(pictures.photo(), orientation)
    for kind in ("PNG", "TIFF"):
        np.testing.assert_array_equal(decode(pictures.oriented(kind, orientation)), expected)
    jpeg = pictures.oriented("JPEG", orientation, quality=95)
    np.testing.assert_array_equal(decode(jpeg), opencv(jpeg))
    assert np.abs(decode(jpeg).astype(int) - expected).mean() < 8


def test_webp_is_not_turned_as_in_paddlex() -> None:
    content = pictures.oriented("WEBP", 6, lossless=True)
    np.testing.assert_array_equal(decode(content), pictures.photo())


def test_avif_is_decoded_where_pillow_can() -> None:
    Image.init()
    if "AVIF" in Image.SAVE:
        content = pictures.encoded(pictures.photo(), "AVIF", quality=95)
        assert np.abs(decode(content).astype(int) - pictures.photo()).mean() < 8
    else:
        content = b"\0\0\0\x20ftypavif"
        assert error_of(content).code in ("E_IMAGE_UNSUPPORTED", "E_IMAGE_CORRUPT")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM"])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (9, 1)])
def test_the_smallest_images(kind: str, height: int, width: int) -> None:
    assert decode(pictures.encoded(pictures.photo(height, width), kind)).shape == (height, width, 3)


@pytest.mark.parametrize("name", pictures.damaged())
def test_damage_is_named_by_its_code(name: str) -> None:
    content, code = pictures.damaged()[name]
    assert error_of(content).code == code


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "JPEG2000"])
def test_the_pixel_limit_is_exact(kind: str) -> None:
    content = pictures.encoded(pictures.photo(7, 11), kind)
    assert decode(content, 77).shape == (7, 11, 3)
    error = error_of(content, 76)
    assert error.message == "the image is 11 x 7 pixels, more than the limit of 76"
    assert "CLSCTL_MAX_PIXELS" in error.hint


def test_a_tiff_of_many_pages_gives_each_and_a_bad_one_its_own_error() -> None:
    content = pictures.encoded(
        pictures.photo(5, 6),
        "TIFF",
        save_all=True,
        append_images=[Image.fromarray(pictures.photo(50, 60)), Image.new("L", (2, 3))],
    )
    found = iter_pages(content, Settings(max_pixels=100))
    page = next(found)
    assert page.number == 0
    np.testing.assert_array_equal(page.decode(), pictures.photo(5, 6))
    page = next(found)
    assert page.number == 1
    with pytest.raises(DataError, match="60 x 50"):
        page.decode()
    page = next(found)
    assert (page.number, page.decode().shape) == (2, (3, 2, 3))
    assert next(found, None) is None


def test_a_pdf_gives_each_page_at_two_pixels_a_point() -> None:
    pytest.importorskip("pypdfium2", reason="needs the extra `pdf`")
    red, blue = Image.new("RGB", (40, 30), "red"), Image.new("RGB", (20, 50), "blue")
    content = pictures.encoded(red, "PDF", save_all=True, append_images=[blue], resolution=72)
    first, second = decode_pages(content)
    assert (first[0], first[1].shape) == (0, (60, 80, 3))
    assert (second[0], second[1].shape) == (1, (100, 40, 3))
    assert (first[1].argmax(axis=2) == 0).all()
    assert (second[1].argmax(axis=2) == 2).all()
    found = iter_pages(content, Settings(max_pixels=4799))
    with pytest.raises(DataError, match="80 x 60"):
        next(found).decode()
    assert next(found).decode().shape == (100, 40, 3)


def test_a_broken_pdf_is_an_error() -> None:
    pytest.importorskip("pypdfium2", reason="needs the extra `pdf`")
    assert error_of(b"%PDF-1.4 and nothing else").code == "E_IMAGE_CORRUPT"


def without(folder: Path, package: str, content: bytes) -> str:
    """The code and hint of the error where a package is not installed."""
    (folder / f"{package}.py").write_text("raise ImportError", encoding="utf-8")
    script = (
        "import sys\n"
        "from clsctl.images.decode import iter_pages\n"
        "from clsctl.settings import Settings\n"
        "from clsctl.errors import DataError\n"
        "try: list(iter_pages(sys.stdin.buffer.read(), Settings()))\n"
        "except DataError as error: print(error.code, error.hint)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=content,
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    return done.stdout.decode()


def test_without_its_extra_a_pdf_is_an_error_that_names_it(tmp_path: Path) -> None:
    assert without(tmp_path, "pypdfium2", b"%PDF-1.4") == (
        f"E_EXTRA_MISSING {install_hint('pypdfium2')}\n"
    )


def test_arrays_are_bgr_as_opencv_reads_them() -> None:
    bgr = pictures.photo()[:, :, ::-1]
    np.testing.assert_array_equal(from_array(bgr), pictures.photo())
    alpha = np.dstack([bgr, bgr[:, :, :1]])
    np.testing.assert_array_equal(from_array(alpha), pictures.photo())
    grey = from_array(bgr[:, :, 0])
    assert (grey == bgr[:, :, :1]).all()


@pytest.mark.parametrize(
    ("array", "code"),
    [
        (np.zeros((4, 5, 3), np.float32), "E_IMAGE_ARRAY"),
        (np.zeros((3, 4, 5), np.uint8), "E_IMAGE_ARRAY"),
        (np.zeros((2, 4, 5, 3), np.uint8), "E_IMAGE_ARRAY"),
        (np.zeros(9, np.uint8), "E_IMAGE_ARRAY"),
        (np.array(["a.jpg"]), "E_IMAGE_ARRAY"),
        (np.zeros((0, 5, 3), np.uint8), "E_IMAGE_EMPTY"),
    ],
)
def test_other_arrays_are_errors(array: pictures.Array, code: str) -> None:
    with pytest.raises(DataError) as caught:
        from_array(array)
    assert caught.value.code == code


STARTS = [content[:40] for content in (pictures.lossless() | pictures.lossy()).values()]


@settings(max_examples=150)
@given(st.sampled_from(STARTS), st.integers(0, 40), st.binary(max_size=200))
def test_whatever_the_bytes_are_they_give_pixels_or_a_data_error(
    start: bytes, keep: int, rest: bytes
) -> None:
    try:
        found = [pixels for _, pixels in decode_pages(start[:keep] + rest, 10_000)]
    except DataError as error:
        assert error.code.startswith("E_IMAGE_")  # noqa: PT017 - either outcome is right
    else:
        assert all(pixels.size <= 30_000 for pixels in found)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".gif", ".pdf"])
def test_folders_are_searched_for_the_usual_endings(suffix: str) -> None:
    assert suffix in SUFFIXES


# ---- numbers that are no 8 bits ----------------------------------------------------------------


def tiff(values: np.ndarray, mode: str) -> bytes:
    return pictures.encoded(Image.fromarray(values.astype({"F": "f4", "I": "i4"}[mode])), "TIFF")


RAMP = np.arange(256).reshape(16, 16)


@pytest.mark.parametrize(
    "content",
    [
        tiff(RAMP / 255, "F"),
        tiff(RAMP, "F"),
        tiff(RAMP, "I"),
        tiff(RAMP / 255 * 0.9999, "F"),
    ],
    ids=["fractions", "floats", "integers", "rounded"],
)
def test_numbers_whose_white_is_known_are_scaled(content: bytes) -> None:
    np.testing.assert_array_equal(decode(content)[..., 0], RAMP)


@pytest.mark.parametrize(
    "content",
    [
        tiff(RAMP * 257, "I"),
        tiff(RAMP - 1, "I"),
        tiff(RAMP / 255 - 0.5, "F"),
        tiff(RAMP * 10, "F"),
        tiff(np.full((4, 4), np.nan), "F"),
        tiff(np.full((4, 4), np.inf), "F"),
    ],
)
def test_other_numbers_are_refused_and_never_clipped(content: bytes) -> None:
    error = error_of(content)
    assert error.code == "E_IMAGE_RANGE"
    assert "8 or 16 bits" in error.hint


# ---- which format ------------------------------------------------------------------------------


def brands(major: bytes, *compatible: bytes) -> bytes:
    names = b"".join((major, b"\0\0\0\0", *compatible))
    return (8 + len(names)).to_bytes(4, "big") + b"ftyp" + names + b"avifheic"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (brands(b"avif", b"mif1", b"miaf"), "AVIF"),
        (brands(b"avis"), "AVIF"),
        (brands(b"mif1", b"miaf", b"avif"), "AVIF"),
        (brands(b"msf1", b"avis"), "AVIF"),
        (brands(b"heic", b"mif1", b"avif"), "HEIC"),
        (brands(b"mif1", b"heic"), "HEIC"),
        (brands(b"mif1"), None),
        (brands(b"isom", b"mp42"), None),
        (b"\0\0\0\0ftyp", None),
    ],
)
def test_brands_tell_what_is_in_a_container(head: bytes, kind: str | None) -> None:
    assert format_of(head) == kind


def test_avif_in_a_general_container_is_read() -> None:
    if not features.check("avif"):
        pytest.skip("this Pillow cannot")
    content = pictures.encoded(pictures.photo(), "AVIF", quality=95)
    general = content[:8] + b"mif1" + content[12:]
    assert b"avif" in general[16:40]
    np.testing.assert_array_equal(decode(general), decode(content))


def test_heic_is_read_with_its_extra() -> None:
    heif = pytest.importorskip("pillow_heif", reason="needs the extra `heif`")
    heif.register_heif_opener()
    content = pictures.encoded(pictures.photo(), "HEIF", quality=95)
    assert np.abs(decode(content).astype(int) - pictures.photo()).mean() < 8


def test_without_its_extra_heic_is_an_error_that_names_it(tmp_path: Path) -> None:
    assert without(tmp_path, "pillow_heif", brands(b"heic")) == (
        f"E_EXTRA_MISSING {install_hint('pillow-heif')}\n"
    )
