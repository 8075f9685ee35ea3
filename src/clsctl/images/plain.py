"""Decode the formats of which the header tells what decoding takes, in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from clsctl.images.jpeg import decode_jpeg
from clsctl.images.opencv import decode_with_opencv

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.images.headers import Header


def decode_plain(
    kind: str, data: bytes, header: Header, draft: int, warn: Callable[[str], None]
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
    return decode_with_opencv(kind, data, header)
