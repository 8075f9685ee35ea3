"""Decode large JPEGs faster (the extra `fast`), where the pixels are OpenCV's to the bit."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Decoder = Callable[[bytes], NDArray[np.uint8]]

LARGE = 1 << 20
"""Pixels from which it is faster: both use libjpeg-turbo, and OpenCV copies what comes from it."""

_EXIF, _ADOBE, _FRAMES = 0xFFE1, 0xFFEE, (0xFFC0, 0xFFC1, 0xFFC2)
_ORIENTATION, _UPRIGHT = 0x0112, 1


def decode_large(data: bytes, pixels: int) -> NDArray[np.uint8] | None:
    """Decode a JPEG as OpenCV does; None where that is not certain, and OpenCV has to do it.

    Args:
        data: A whole file.
        pixels: Its width times height.

    Returns:
        uint8 [height, width, 3], RGB.
    """
    if pixels < LARGE or not _is_plain(data):
        return None
    decode = _decoder()
    try:
        return decode(data) if decode else None
    except ValueError:  # damage, of which OpenCV may still make something
        return None


@functools.cache
def _decoder() -> Decoder | None:
    """Return simplejpeg's decoder, if it is installed and gives the same pixels as OpenCV."""
    try:
        import simplejpeg
    except ImportError:
        return None
    import cv2
    import numpy as np

    decode: Decoder = functools.partial(simplejpeg.decode_jpeg, colorspace="RGB")
    noise = cv2.blur(np.random.default_rng(0).integers(0, 256, (45, 67, 3), np.uint8), (3, 3))
    for sampling in (
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ):
        for progressive in (0, 1):
            options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
            options += [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
            jpeg = cv2.imencode(".jpg", noise, options)[1]
            expected = np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB))
            if not np.array_equal(decode(jpeg.tobytes()), expected):
                return None
    return decode


def _is_plain(data: bytes) -> bool:
    """Return whether it has 8 bits, three components, YCbCr if it says so, and is upright."""
    position = 2
    try:
        while True:
            marker, length = struct.unpack_from(">HH", data, position)
            if marker in _FRAMES:
                return data[position + 4] == 8 and data[position + 9] == 3
            if marker == _ADOBE or marker < 0xFFC0:
                return False
            segment = data[position + 4 : position + 2 + length]
            if marker == _EXIF and segment[:6] == b"Exif\0\0" and _turned(segment[6:]):
                return False
            position += 2 + length
    except (IndexError, KeyError, struct.error):
        return False


def _turned(tiff: bytes) -> bool:
    """Return whether EXIF data ask for the image to be turned (EXIF 2.32, 4.6)."""
    order = {b"II": "<", b"MM": ">"}[tiff[:2]]
    (first,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, first)
    for entry in range(count):
        tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, first + 2 + 12 * entry)
        if tag == _ORIENTATION:
            return bool(value != _UPRIGHT)
    return False
