"""Decode the bytes of an image into pixels.

JPEG, PNG, BMP, WebP, PNM and Sun raster are decoded by OpenCV, TIFF by Pillow and PDF by PDFium, as
in PaddleX, so that pixels are the same to the bit; for large JPEGs see `clsctl.images.jpeg`. What
PaddleX does not read (GIF, JPEG 2000, AVIF) is decoded by Pillow. What counts is how the bytes
begin, never a file's name.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from clsctl.errors import DataError
from clsctl.images import pillow_decode
from clsctl.images.headers import UNPACKED, format_of, read_header
from clsctl.images.image_errors import check_size, corrupt, truncated, unsupported
from clsctl.images.jpeg import decode_large
from clsctl.images.page import Page
from clsctl.images.pdf import iter_pdf_pages
from clsctl.images.pillow_decode import decode_with_pillow, grey_to_rgb, iter_tiff_pages

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def iter_pages(data: bytes, max_pixels: int, draft: int = 0) -> Iterator[Page]:
    """Yield the pages of an encoded image, each with a function that decodes it.

    Args:
        data: A whole file.
        max_pixels: Width times height above which a page is refused, before it is decoded.
        draft: Where not 0, a JPEG is decoded at a half, quarter or eighth of its size, as long as
            its short side keeps this many pixels: much faster, and other pixels.

    Raises:
        DataError: The file as a whole cannot be read: `E_IMAGE_EMPTY`, `E_IMAGE_UNSUPPORTED`,
            `E_IMAGE_TRUNCATED`, `E_IMAGE_CORRUPT`, `E_IMAGE_TOO_LARGE` or `E_EXTRA_MISSING`.
    """
    if not data:
        raise DataError("the file is empty", code="E_IMAGE_EMPTY")
    kind = format_of(data)
    if kind is None:
        raise unsupported()
    if kind == "PDF":
        yield from iter_pdf_pages(data, max_pixels)
    elif kind == "TIFF":
        yield from iter_tiff_pages(data, max_pixels)
    elif kind in pillow_decode.FORMATS:
        yield Page(None, functools.partial(decode_with_pillow, kind, data, max_pixels))
    else:
        draft = draft if kind == "JPEG" else 0
        yield Page(None, functools.partial(_decode_with_opencv, kind, data, max_pixels, draft))


def from_array(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Convert an ndarray as OpenCV and PaddleX hold images.

    Args:
        array: uint8 [H, W, 3] BGR, [H, W, 4] BGR and alpha, which is dropped, or [H, W] grey.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        DataError: Another type or shape (`E_IMAGE_ARRAY`), or no pixels (`E_IMAGE_EMPTY`).
    """
    import numpy as np

    if array.dtype != np.uint8 or not (array.ndim == 2 or array.shape[2:] in ((3,), (4,))):
        raise DataError(
            f"the array is {array.dtype} {list(array.shape)}, not uint8 [height, width, 3]",
            code="E_IMAGE_ARRAY",
            hint="pass one image an array, 0 to 255, channels last in BGR order as cv2.imread does",
        )
    if array.size == 0:
        raise DataError("the array has no pixels", code="E_IMAGE_EMPTY")
    return grey_to_rgb(array) if array.ndim == 2 else np.ascontiguousarray(array[..., 2::-1])


def _decode_with_opencv(kind: str, data: bytes, max_pixels: int, draft: int) -> NDArray[np.uint8]:
    import cv2
    import numpy as np

    width, height = _checked_size(kind, data, max_pixels)
    reduced = _reduced(min(width, height), draft) if draft else 0
    if kind == "JPEG" and not reduced:
        fast = decode_large(data, width * height)
        if fast is not None:
            return fast
    if kind == "PNM" and data[1] in b"123":
        data += b"\n"  # OpenCV wants a blank after the last number, which the format does not ask.
    flags = cv2.IMREAD_COLOR_RGB
    if kind == "WebP":  # OpenCV 4 and PaddleX do not turn WebP; OpenCV 5 would.
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels: Any = cv2.imdecode(np.frombuffer(data, np.uint8), reduced or flags)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise truncated(kind) if kind in UNPACKED else corrupt(kind)
    if reduced:
        cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)
    return cast("NDArray[np.uint8]", pixels)


def _checked_size(kind: str, data: bytes, max_pixels: int) -> tuple[int, int]:
    """Return width and height, of a file that is whole and not too large."""
    try:
        width, height, whole = read_header(kind, data)
    except ValueError:
        raise truncated(kind) from None
    check_size(width, height, max_pixels)
    if not whole:
        raise truncated(kind)
    return width, height


def _reduced(short: int, draft: int) -> int:
    """Return OpenCV's flag for the smallest size whose short side is `draft` or more, or else 0."""
    import cv2

    flags = {
        8: cv2.IMREAD_REDUCED_COLOR_8,
        4: cv2.IMREAD_REDUCED_COLOR_4,
        2: cv2.IMREAD_REDUCED_COLOR_2,
    }
    return next((flag for part, flag in flags.items() if draft * part <= short), 0)
