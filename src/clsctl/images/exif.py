"""Find the orientation that EXIF data ask for, as OpenCV reads it (EXIF 2.32, 4.6)."""

from __future__ import annotations

import struct

_ORIENTATION = 0x0112
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}


def read_orientation(tiff: bytes) -> int | None:
    """Read the first orientation tag of EXIF data.

    Args:
        tiff: The data behind the word `Exif`, which begin like a TIFF file.

    Returns:
        1 to 8, where 1 is upright; None where the data cannot be read.
    """
    order = _ORDERS.get(tiff[:4])
    if order is None:
        return None
    try:
        (first,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, first)
        for entry in range(first + 2, first + 2 + 12 * count, 12):
            tag, value = struct.unpack_from(f"{order}H6xH", tiff, entry)
            if tag == _ORIENTATION:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return None
    return 1
