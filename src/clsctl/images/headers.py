"""Read what an image file says of itself: its size, its colours, whether it is whole."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import NamedTuple

from clsctl.images.exif import read_orientation
from clsctl.images.image_errors import corrupt, truncated
from clsctl.images.jpeg_header import read_jpeg_header

# As OpenCV reads numbers; a comment may end with any line break.
_PNM_BLANK = rb"(?:\s|#[^\r\n]*[\r\n])*"
_PNM_SIZE = re.compile(rb"P(\d)\s%b(\d{1,10})\s%b(\d{1,10})\s" % (_PNM_BLANK, _PNM_BLANK))


class Header(NamedTuple):
    """What is known of an image before it is decoded.

    Attributes:
        width: In pixels, as stored.
        height: Likewise.
        mode: Colour mode as Pillow names it, such as `RGB`, `L` or `P`.
        orientation: How EXIF data turn the image, 1 to 8; 1 is upright.
        whole: Whether the file reaches its end, where that is written.
        hole: Whether a part of it is nothing but zeros, as where a disk lost it.
        scans: Passes over the image, of which a decoder may need many.
        pixel_bytes: Memory that the decoder takes for each pixel, at most.
    """

    width: int
    height: int
    mode: str = "RGB"
    orientation: int = 1
    whole: bool = True
    hole: bool = False
    scans: int = 1
    pixel_bytes: int = 6


def read_header(kind: str, data: bytes) -> Header:
    """Read the header of a JPEG, PNG, BMP, WebP, PNM or Sun raster file.

    Args:
        kind: One of these formats.
        data: A file, or as much of it as is known.

    Raises:
        DataError: The data end before it (`E_IMAGE_TRUNCATED`), or it cannot be read
            (`E_IMAGE_CORRUPT`).
    """
    try:
        return _READERS[kind](data)
    except (IndexError, struct.error):
        raise truncated(kind) from None


def _jpeg(data: bytes) -> Header:
    found = read_jpeg_header(data)
    return Header(
        found.width,
        found.height,
        {1: "L", 4: "CMYK"}.get(found.components, "RGB"),
        found.orientation,
        found.ended,
        found.hole,
        found.scans,
        12 if found.progressive else 6,
    )


def _png(data: bytes) -> Header:
    """Also walk over the chunks: a decoder takes memory for what a chunk says it holds."""
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    grey = {1: "1", 16: "I;16"}.get(depth, "L")
    grey = {1: "1", 16: "I;16"}.get(depth, "L")
    mode = {2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}.get(colour, grey)
    header = Header(width, height, mode, whole=False)
    position = 8
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        position += 12 + length
        if kind == b"IEND":
            return header._replace(whole=True)
        if kind == b"eXIf":
            exif = data[position - 4 - length : position - 4]
            header = header._replace(orientation=read_orientation(exif) or 1)
        elif kind == b"acTL":  # animated
            header = header._replace(pixel_bytes=12)
    return header


def _bmp(data: bytes) -> Header:
    """A height below 0 means that rows run from top to bottom."""
    old = data[14] == 12
    width, height = struct.unpack_from("<HH" if old else "<ii", data, 18)
    (bits,) = struct.unpack_from("<H", data, 24 if old else 28)
    return Header(width, abs(height), {1: "1", 4: "P", 8: "P", 32: "RGBA"}.get(bits, "RGB"))


def _webp(data: bytes) -> Header:
    whole = len(data) >= 8 + struct.unpack_from("<I", data, 4)[0]
    width, height, alpha = _webp_canvas(data)
    return Header(width, height, "RGBA" if alpha else "RGB", whole=whole, pixel_bytes=12)


def _webp_canvas(data: bytes) -> tuple[int, int, bool]:
    """From the first chunk: extended, lossless or lossy (RFC 9649, 2.5 to 2.7)."""
    chunk = data[12:16]
    if chunk == b"VP8X":
        flags, low_w, high_w, low_h, high_h = struct.unpack_from("<B3xHBHB", data, 20)
        return (high_w << 16 | low_w) + 1, (high_h << 16 | low_h) + 1, bool(flags & 0x10)
    if chunk == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    if chunk != b"VP8 ":  # a decoder might find an image without a chunk around it
        raise corrupt("WebP", "its first chunk is no image")
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF, False


def _pnm(data: bytes) -> Header:
    match = _PNM_SIZE.match(data)
    if match is None:
        raise truncated("PNM")
    mode = {b"1": "1", b"4": "1", b"2": "L", b"5": "L"}.get(match[1], "RGB")
    return Header(int(match[2]), int(match[3]), mode)


def _sun(data: bytes) -> Header:
    width, height, depth = struct.unpack_from(">III", data, 4)
    return Header(width, height, {1: "1", 8: "L"}.get(depth, "RGB"))


_READERS: dict[str, Callable[[bytes], Header]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "BMP": _bmp,
    "WebP": _webp,
    "PNM": _pnm,
    "Sun raster": _sun,
}

PLAIN = frozenset(_READERS)
"""Formats of which a header tells what decoding takes."""
