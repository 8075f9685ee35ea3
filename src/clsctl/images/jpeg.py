"""Decode JPEGs by simplejpeg: OpenCV's pixels to the bit, in less time, and damage is reported.

Both use libjpeg-turbo. OpenCV lets it print what is wrong with a file on standard error, and tells
its caller nothing; simplejpeg tells.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from clsctl.images.image_errors import corrupt, truncated
from clsctl.images.jpeg_header import EOI, repaired_header
from clsctl.images.page import Warn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.images.headers import Header

PARTS = (8, 4, 2)
"""What a reduced image's sides may be divided by."""

_DAMAGED = "the JPEG file is damaged, and may show something else"
_HARMLESS = "unknown JFIF revision"


def decode_jpeg(data: bytes, header: Header, draft: int, warn: Warn) -> NDArray[np.uint8]:
    """Decode a JPEG as OpenCV does.

    Args:
        data: A whole file.
        header: What was read of it.
        draft: Where not 0, the file is decoded at a half, quarter or eighth of its size, as long as
            its short side keeps this many pixels.
        warn: Receives what is wrong with the file, although it can be decoded.

    Returns:
        uint8 [height, width, 3], RGB, EXIF orientation applied.

    Raises:
        DataError: The data end before the image does (`E_IMAGE_TRUNCATED`), or cannot be decoded
            (`E_IMAGE_CORRUPT`).
    """
    part = _part(min(header.width, header.height), draft) if draft else 1
    options: dict[str, Any] = {"colorspace": "CMYK" if header.mode == "CMYK" else "RGB"}
    if part > 1:  # without the sides, the factor is not taken
        sides = {"min_width": -(-header.width // part), "min_height": -(-header.height // part)}
        options |= {"min_factor": part, **sides}
    from simplejpeg import decode_jpeg as decode

    whole = data if header.whole else data + EOI
    try:
        pixels: NDArray[np.uint8] = decode(whole, **options)
    except ValueError as error:
        if not header.whole:
            raise truncated("JPEG") from None
        pixels = _decode_damaged(data, options, str(error), warn)
    else:
        if not header.whole:
            warn("the JPEG file lacks the marker of its end")
        elif header.hole:
            warn(f"{_DAMAGED}: a part of it is nothing but zeros")
        if part == 1 and not _agrees_with_opencv():
            return _decode_with_opencv(whole)
    return _upright(_rgb(pixels), header.orientation)


def _decode_damaged(
    data: bytes, options: dict[str, Any], reason: str, warn: Warn
) -> NDArray[np.uint8]:
    """Decode what there is, as every viewer does."""
    from simplejpeg import decode_jpeg as decode

    try:
        # Without that it stops at warnings about the header, though it is told not to.
        pixels: NDArray[np.uint8] = decode(repaired_header(data), **options, strict=False)
    except ValueError as error:
        raise corrupt("JPEG", error) from None
    if _HARMLESS not in reason:
        warn(f"{_DAMAGED}: {reason}")
    return pixels


def _part(short: int, draft: int) -> int:
    return next((part for part in PARTS if draft * part <= short), 1)


def _rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert CMYK as OpenCV does, row by row, for the memory of one; RGB stays as it is."""
    import numpy as np

    if pixels.shape[2] == 3:
        return pixels
    converted = np.empty((*pixels.shape[:2], 3), np.uint8)
    for row, inks in zip(converted, pixels, strict=True):
        black = inks[:, 3:].astype(np.int32)
        row[:] = black - ((255 - inks[:, :3].astype(np.int32)) * black >> 8)
    return converted


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn and mirror the pixels as EXIF data ask for (EXIF 2.32, 4.6.4)."""
    import cv2
    import numpy as np

    if orientation == 1:
        return pixels
    steps: dict[int, Callable[[Any], Any]] = {
        2: lambda image: cv2.flip(image, 1),
        3: lambda image: cv2.rotate(image, cv2.ROTATE_180),
        4: lambda image: cv2.flip(image, 0),
        5: cv2.transpose,
        6: lambda image: cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE),
        7: lambda image: cv2.rotate(cv2.transpose(image), cv2.ROTATE_180),
        8: lambda image: cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE),
    }
    return np.asarray(steps[orientation](pixels), np.uint8)


@functools.cache
def _agrees_with_opencv() -> bool:
    """Whether the two were built with versions of the library that give the same pixels."""
    import cv2
    import numpy as np
    from simplejpeg import decode_jpeg

    noise = cv2.blur(np.random.default_rng(0).integers(0, 256, (45, 67, 3), np.uint8), (3, 3))
    for sampling in (
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ):
        options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
        data = cv2.imencode(".jpg", noise, options)[1].tobytes()
        if not np.array_equal(decode_jpeg(data), _decode_with_opencv(data)):
            return False
    return True


def _decode_with_opencv(data: bytes) -> NDArray[np.uint8]:
    import cv2
    import numpy as np

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        raise corrupt("JPEG")
    return np.asarray(pixels, np.uint8)
