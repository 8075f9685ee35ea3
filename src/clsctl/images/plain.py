"""Decode the formats of which the header tells what decoding takes, in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from clsctl.images.jpeg import decode_jpeg
from clsctl.images.opencv import decode_with_opencv
from clsctl.images.page import Warn, ignore
from clsctl.images.value_range import EIGHT_BITS, Span, span_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.images.headers import Header

_PNG_DEPTH = 24
"""Where a PNG says how many bits its values have."""


def decode_plain(
    kind: str,
    data: bytes,
    header: Header,
    draft: int,
    warn: Warn,
) -> NDArray[np.uint8]:
    """Decode a JPEG, PNG, BMP, WebP, PNM or Sun raster file.

    Args:
        kind: One of these formats.
        data: A whole file.
        header: What was read of it.
        draft: See `clsctl.images.jpeg.decode_jpeg`.
        warn: Receives what is wrong with the file, although it can be decoded.

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        DataError: It cannot be decoded (`E_IMAGE_TRUNCATED`, `E_IMAGE_CORRUPT`).
    """
    if kind == "JPEG":
        return decode_jpeg(data, header, draft, warn)
    return cast("NDArray[np.uint8]", decode_with_opencv(kind, data, header))


def plain_values(kind: str, data: bytes, header: Header) -> NDArray[Any]:
    """Decode a file of one of the same formats to the values that it stores.

    Returns:
        uint8 or uint16 [height, width, 3], RGB.
    """
    if kind == "JPEG":
        return decode_jpeg(data, header, 0, ignore)
    return decode_with_opencv(kind, data, header, deep=True)


def plain_span(kind: str, data: bytes, header: Header) -> Span:
    """Return which values such a file holds; it is decoded only where they may have 16 bits."""
    if kind == "PNM" or (kind == "PNG" and data[_PNG_DEPTH] == 16):
        return span_of(plain_values(kind, data, header))
    return EIGHT_BITS
