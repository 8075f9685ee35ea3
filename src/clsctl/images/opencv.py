"""Decode PNG, BMP, WebP, PNM and Sun raster by OpenCV, as PaddleX does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from clsctl.images.image_errors import corrupt, truncated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clsctl.images.headers import Header

UNPACKED = frozenset({"BMP", "PNM", "Sun raster"})
"""Formats without compression: where the header is sound, only missing rows can be wrong."""


def decode_with_opencv(
    kind: str, data: bytes, header: Header, *, deep: bool = False
) -> NDArray[Any]:
    """Decode a file whose header was read.

    Args:
        deep: Keep 16 bits where the file has them; else their high byte.

    Returns:
        uint8, or uint16 where asked for, [height, width, 3], RGB.

    Raises:
        DataError: It cannot be decoded (`E_IMAGE_TRUNCATED`, `E_IMAGE_CORRUPT`).
    """
    import cv2
    import numpy as np

    if not header.whole:
        raise truncated(kind)
    if kind == "PNM" and data[1] in b"123":
        data += b"\n"  # OpenCV wants a blank after the last number, which the format does not ask.
    flags = cv2.IMREAD_COLOR_RGB
    if deep:
        flags |= cv2.IMREAD_ANYDEPTH
    if kind == "WebP":  # OpenCV 4 and PaddleX do not turn WebP; OpenCV 5 would.
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels: Any = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise truncated(kind) if kind in UNPACKED else corrupt(kind)
    if sorted(pixels.shape[:2]) != sorted((header.height, header.width)):
        raise corrupt(kind, "its size is not what its header says")
    return cast("NDArray[Any]", pixels)
