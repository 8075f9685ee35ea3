"""Read the first bytes of an image file: its format, its size, whether the file is whole."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import NamedTuple

SUFFIXES = frozenset(
    {".avif", ".bmp", ".dib", ".gif", ".j2k", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pdf"}
    | {".pgm", ".png", ".pnm", ".ppm", ".ras", ".sr", ".tif", ".tiff", ".webp"}
)
"""Endings by which images and documents are found in a folder."""

_SIGNATURES = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "BMP": rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0",
    "WebP": rb"RIFF.{4}WEBP",
    "PNM": rb"P[1-6]\s+[#\d]",
    "Sun raster": rb"\x59\xa6\x6a\x95",
    "TIFF": rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]",
    "GIF": rb"GIF8[79]a",
    "JPEG 2000": rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
    "AVIF": rb".{4}ftypavi[fs]",
    "PDF": rb"(?:\xef\xbb\xbf)?\s*%PDF-",
}
FORMATS = tuple(_SIGNATURES)
UNPACKED = frozenset({"BMP", "PNM", "Sun raster"})
"""Formats without compression: where the header is sound, only missing rows can be wrong."""

_SIGNATURE = re.compile(b"|".join(b"(%b)" % pattern for pattern in _SIGNATURES.values()), re.DOTALL)
_PNM_SIZE = re.compile(rb"P\d(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)")


class Header(NamedTuple):
    """Width and height in pixels, and whether the file reaches its end, where that is written."""

    width: int
    height: int
    whole: bool = True


def format_of(data: bytes) -> str | None:
    """Return the one of `FORMATS` in which these bytes begin, or None."""
    match = _SIGNATURE.match(data)
    return FORMATS[match.lastindex - 1] if match and match.lastindex else None


def read_header(kind: str, data: bytes) -> Header:
    """Read the header of a JPEG, PNG, BMP, WebP, PNM or Sun raster file.

    Raises:
        ValueError: The data end before it.
    """
    try:
        return _READERS[kind](data)
    except (IndexError, struct.error):
        raise ValueError("no header") from None


def _jpeg(data: bytes) -> Header:
    """Read the frame header SOF (ITU-T T.81, B.2.2); what comes before may be a thumbnail."""
    position = 2
    while True:
        position = data.index(b"\xff", position)
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, position + 5)
            return Header(width, height, data.rfind(b"\xff\xd9") > position)
        else:
            position += 2 + struct.unpack_from(">H", data, position + 2)[0]


def _png(data: bytes) -> Header:
    width, height = struct.unpack_from(">II", data, 16)
    return Header(width, height, data.rfind(b"IEND") > 0)


def _bmp(data: bytes) -> Header:
    """Read either header; a height below 0 means that rows run from top to bottom."""
    width, height = struct.unpack_from("<HH" if data[14] == 12 else "<ii", data, 18)
    return Header(width, abs(height))


def _webp(data: bytes) -> Header:
    """Read the first chunk: extended, lossless or lossy (RFC 9649, 2.5 to 2.7)."""
    chunk, whole = data[12:16], len(data) >= 8 + struct.unpack_from("<I", data, 4)[0]
    if chunk == b"VP8X":
        low_w, high_w, low_h, high_h = struct.unpack_from("<HBHB", data, 24)
        return Header((high_w << 16 | low_w) + 1, (high_h << 16 | low_h) + 1, whole)
    if chunk == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return Header((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, whole)
    width, height = struct.unpack_from("<HH", data, 26)
    return Header(width & 0x3FFF, height & 0x3FFF, whole)


def _pnm(data: bytes) -> Header:
    match = _PNM_SIZE.match(data)
    if match is None:
        raise ValueError("no width and height")
    return Header(int(match[1]), int(match[2]))


def _sun(data: bytes) -> Header:
    width, height = struct.unpack_from(">II", data, 4)
    return Header(width, height)


_READERS: dict[str, Callable[[bytes], Header]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "BMP": _bmp,
    "WebP": _webp,
    "PNM": _pnm,
    "Sun raster": _sun,
}
