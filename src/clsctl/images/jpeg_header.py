"""Read the header of a JPEG file, marker by marker, as libjpeg does (ITU-T T.81, annex B).

What is read here decides how much memory the decoder may take. So both must find the same frame:
what libjpeg skips is skipped here, and what it refuses is refused.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from clsctl.images.exif import read_orientation
from clsctl.images.image_errors import corrupt, truncated

EOI = b"\xff\xd9"
_SOS = b"\xff\xda"
_MARKER = re.compile(rb"\xff+([\x01-\xfe])", re.DOTALL)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_APP0, _APP1, _APP14 = 0xE0, 0xE1, 0xEE
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_TABLES, _BRIGHTNESS = 0xC4, 0x10
_EXIF = b"Exif\0\0"
_HOLE = bytes(512)


class JpegHeader(NamedTuple):
    """What is known of a JPEG before it is decoded.

    Attributes:
        width: In pixels, as stored.
        height: Likewise.
        components: 1 is grey, 3 colours, 4 CMYK.
        orientation: How EXIF data turn the image, 1 to 8; 1 is upright.
        scans: Passes over the image, at most; a thumbnail's count, too.
        progressive: Whether all its coefficients are kept until the last pass.
        ended: Whether there is an end-of-image marker behind the frame header.
        hole: Whether a part of the only scan is nothing but zeros, as where a disk lost it.
    """

    width: int
    height: int
    components: int
    orientation: int
    scans: int
    progressive: bool
    ended: bool
    hole: bool


def read_jpeg_header(data: bytes) -> JpegHeader:
    """Read everything up to the first scan.

    Raises:
        DataError: The data end before it (`E_IMAGE_TRUNCATED`), or cannot be read
            (`E_IMAGE_CORRUPT`).
    """
    frame: tuple[int, int, int, bool] | None = None
    orientation = first_symbol = None
    start = 2
    for marker, start, end in _segments(data):
        if marker in _FRAMES:
            if frame is not None:
                raise corrupt("JPEG", "it has two frames")
            height, width, components = struct.unpack_from(">HHB", data, start + 1)
            frame = width, height, components, marker in _PROGRESSIVE
        elif marker == _APP1 and orientation is None and data.startswith(_EXIF, start):
            orientation = read_orientation(data[start + len(_EXIF) : end])
        elif marker == _TABLES:
            first_symbol = _first_symbol(data[start:end]) or first_symbol
    if frame is None:
        raise corrupt("JPEG", "it has no frame")
    width, height, components, progressive = frame
    single = data[start] == components and not progressive
    scans = 1 if single else 1 + data.count(_SOS, start)
    end = data.rfind(EOI, start)
    hole = bool(first_symbol) and single and _has_hole(data, start, end)
    return JpegHeader(
        width, height, components, orientation or 1, scans, progressive, end > 0, hole
    )


def _has_hole(data: bytes, start: int, end: int) -> bool:
    hole = data.find(_HOLE, start, max(end, 0))
    return hole > 0 and data.find(EOI, start, hole) < 0  # another image may follow, and padding


def _first_symbol(tables: bytes) -> int | None:
    """Of the table for the coefficients of brightness, the symbol whose code is all zeros.

    Where it is not 0, the end of a block, blocks of zero bits are no image that anybody has saved.
    """
    position = 0
    while position + 17 < len(tables):
        if tables[position] == _BRIGHTNESS:
            return tables[position + 17]
        position += 17 + sum(tables[position + 1 : position + 17])
    return None


def repaired_header(data: bytes) -> bytes:
    """Return a JPEG without what libjpeg warns of before its first scan, though it can decode it.

    That is garbage between the markers, and versions and colour transforms that it does not know.
    """
    parts, rest = [data[:2]], 2
    for marker, start, rest in _segments(data):
        content = bytearray(data[start:rest])
        if marker == _APP0 and content.startswith(b"JFIF\0"):
            content[5:6] = b"\1"
        elif marker == _APP14 and content.startswith(b"Adobe") and content[11:12] > b"\2":
            continue
        parts.append(struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content)
    return b"".join([*parts, data[rest:]])


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield each marker before the first scan, and where its content begins and ends."""
    position = 2
    while True:
        match = _MARKER.search(data, position)
        if match is None:
            raise truncated("JPEG")
        marker, position = match[1][0], match.end()
        if marker in _WITHOUT_LENGTH:
            continue
        if marker < 0xC0 or marker in (_START, _END):
            raise corrupt("JPEG", f"the marker {marker:02X} cannot stand here")
        if position + 2 > len(data):
            raise truncated("JPEG")
        (length,) = struct.unpack_from(">H", data, position)
        if length < (8 if marker in _FRAMES else 2):
            raise corrupt("JPEG", f"the marker {marker:02X} has a wrong length")
        if position + length > len(data):
            raise truncated("JPEG")
        yield marker, position + 2, position + length
        if marker == _SCAN:
            return
        position += length
