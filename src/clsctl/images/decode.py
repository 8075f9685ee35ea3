"""Decode images: bytes become pixels, page by page.

JPEG, PNG, BMP, WebP, PNM and Sun raster are decoded as by OpenCV, TIFF by Pillow and PDF by PDFium,
as in PaddleX, so that pixels are the same to the bit. What PaddleX does not read (GIF, JPEG 2000,
AVIF, HEIC) is decoded by Pillow. The first bytes count, never a file's name.
"""

from __future__ import annotations

import functools
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from clsctl.errors import DataError
from clsctl.images.formats import format_of
from clsctl.images.headers import PLAIN, read_header
from clsctl.images.image_errors import check_size, empty, too_much_memory, unsupported
from clsctl.images.page import Page, Warn, ignore
from clsctl.images.plain import decode_plain, plain_span, plain_values
from clsctl.images.sandbox.process import allowed_memory, iter_sandboxed_pages
from clsctl.images.value_range import to_eight_bits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.settings import Settings
    from clsctl.values import ValueRange

ORDINARY_BYTES = 64 << 20
"""Memory that any image may take in this process ..."""

ORDINARY_RATIO = 256
"""... and how much more than its file; what takes more is decoded under limits."""

ORDINARY_SCANS = 64
"""Passes over a progressive JPEG; cameras and editors write about ten."""


def iter_pages(data: bytes, settings: Settings, warn: Warn = ignore) -> Generator[Page]:
    """Yield the pages of an encoded image, each with a function that decodes it.

    Args:
        data: A whole file.
        settings: The limits: `max_pixels`, above which a page is refused before it is decoded,
            `max_pages` and `input_timeout`; and `draft`, for JPEGs to be decoded at a half, quarter
            or eighth of their size, as long as the short side keeps this many pixels; and
            `value_range`, by which images of more than 8 bits are brought to 8.
        warn: Receives, for each page that is decoded, what is wrong with it nevertheless.

    Yields:
        The page of a PDF or multi-page TIFF, from 0, or None for a single image; and a function
        that returns uint8 [height, width, 3], RGB, and raises DataError where it cannot. Call it
        before the next page is asked for.

    Raises:
        DataError: The file as a whole cannot be read: `E_IMAGE_EMPTY`, `E_IMAGE_UNSUPPORTED`,
            `E_IMAGE_TRUNCATED`, `E_IMAGE_CORRUPT`, `E_IMAGE_TOO_LARGE`, `E_IMAGE_PAGES`,
            `E_INPUT_TIMEOUT` or `E_EXTRA_MISSING`.
    """
    if not data:
        raise empty()
    kind = format_of(data)
    if kind is None:
        raise unsupported()
    if kind not in PLAIN:
        yield from iter_sandboxed_pages(kind, data, settings, warn)
        return
    header = read_header(kind, data)
    check_size(header.width, header.height, settings.max_pixels)
    memory = header.width * header.height * header.pixel_bytes
    if memory > allowed_memory(len(data), settings):
        raise too_much_memory(kind)
    if memory > max(ORDINARY_BYTES, ORDINARY_RATIO * len(data)) or header.scans > ORDINARY_SCANS:
        yield from iter_sandboxed_pages(kind, data, settings, warn)
        return
    span = functools.partial(plain_span, kind, data, header)
    if settings.value_range is None:
        decode = functools.partial(decode_plain, kind, data, header, settings.draft, warn)
        yield Page(None, decode, span)
        return
    wanted = settings.value_range
    yield Page(None, lambda: to_eight_bits(plain_values(kind, data, header), wanted), span)


def from_array(array: NDArray[Any], wanted: ValueRange | None = None) -> NDArray[np.uint8]:
    """Return the pixels of an ndarray as OpenCV and PaddleX hold images.

    Args:
        array: uint8 [H, W, 3] BGR, [H, W, 4] BGR and alpha, which is dropped, or [H, W] grey.
        wanted: Where given, the values are of its type instead, and brought to 8 bits.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        DataError: Another type or shape (`E_IMAGE_ARRAY`, `E_IMAGE_DEPTH`), or no pixels
            (`E_IMAGE_EMPTY`).
    """
    import numpy as np

    if wanted is not None and array.size:
        array = to_eight_bits(array, wanted)
    if array.dtype != np.uint8 or not (array.ndim == 2 or array.shape[2:] in ((3,), (4,))):
        raise DataError(
            f"the array is {array.dtype} {list(array.shape)}, not uint8 [height, width, 3]",
            code="E_IMAGE_ARRAY",
            hint="pass one image an array, 0 to 255, channels last in BGR order as cv2.imread does",
        )
    if array.size == 0:
        raise DataError("the array has no pixels", code="E_IMAGE_EMPTY")
    if array.ndim == 2:
        return array[:, :, None].repeat(3, axis=2)
    return np.ascontiguousarray(array[..., 2::-1])
