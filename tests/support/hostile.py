"""Small files that ask for much memory or time, each made by a few lines."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pictures
from PIL import Image, features

SIDE = 13_000
"""Pixels of a square that is just within the limit of pixels."""

Make = Callable[[], bytes]


def png_chunk(kind: bytes, content: bytes, length: int | None = None) -> bytes:
    size = len(content) if length is None else length
    return struct.pack(">I", size) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [png_chunk(b"IHDR", header), *chunks, png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def deflated_zeros(count: int, head: bytes = b"") -> bytes:
    """A beginning and so many zeros: one compressed megabyte of them, again and again."""
    deflate = zlib.compressobj(9, wbits=-15)
    start = deflate.compress(head) + deflate.flush(zlib.Z_FULL_FLUSH)
    block = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    rest = deflate.compress(bytes(count & 0xFFFFF)) + deflate.flush()
    return start + block * (count >> 20) + rest


def zeros(count: int) -> bytes:
    """So many zeros, compressed, with their Adler-32 at the end."""
    return b"\x78\xda" + deflated_zeros(count) + struct.pack(">HH", count % 65521, 1)


def blank_png() -> bytes:
    return png(SIDE, SIDE, png_chunk(b"IDAT", zeros(SIDE * (1 + 3 * SIDE))))


def deep_png() -> bytes:
    """Sixteen bits and an alpha channel; the whole file has less than a megabyte."""
    side = 11_000
    data = zeros(side * (1 + 8 * side))
    return png(side, side, png_chunk(b"IDAT", data), depth=16, colour=6)


def png_with_a_long_chunk() -> bytes:
    """84 bytes, of which one chunk claims four gigabytes."""
    text = png_chunk(b"tEXt", b"a\0b", length=0xFFFFFFF0)
    return png(8, 8, text, png_chunk(b"IDAT", zlib.compress(bytes(200))))


def animated_png() -> bytes:
    """A frame that is larger than the canvas."""
    control = struct.pack(">IIIIIHHBB", 0, 60_000, 60_000, 0, 0, 1, 1, 0, 0)
    frames = [png_chunk(b"acTL", struct.pack(">II", 1, 0)), png_chunk(b"fcTL", control)]
    return png(8, 8, *frames, png_chunk(b"IDAT", zlib.compress(bytes(200))))


def jpeg_behind_markers() -> bytes:
    """A frame of 32,000 x 32,000 behind a marker that has no length, before a small one."""
    plain = pictures.encoded(Image.new("RGB", (64, 64), (9, 99, 199)), "JPEG")
    at = plain.index(b"\xff\xc0")
    frame = plain[at : at + 5] + struct.pack(">HH", 32_000, 32_000) + plain[at + 9 : at + 19]
    rest = plain[2:at] + plain[at + 19 :]
    scan = rest.index(b"\xff\xda")
    small = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, 8, 8, 3) + plain[at + 10 : at + 19]
    head = b"\xff\xd8\xff\xd0" + frame + rest[:scan] + b"\xff\xef\x75\x32" + bytes(30_000)
    filling = bytes(0xFFC0 - len(head)) + small
    return head + b"\xff\xef" + struct.pack(">H", len(filling) + 2) + filling + rest[scan:]


def progressive_jpeg() -> bytes:
    """All coefficients of a progressive image are kept until its last scan."""
    content = pictures.encoded(np.zeros((64, 64, 3), np.uint8), "JPEG", progressive=True)
    at = content.index(b"\xff\xc2") + 5
    return content[:at] + struct.pack(">HH", SIDE, SIDE) + content[at + 4 :]


def webp() -> bytes:
    """Without loss, where all pixels are alike, no byte depends on how many there are."""
    content = pictures.encoded(Image.new("RGB", (64, 64)), "WEBP", lossless=True, method=0)
    bits = struct.unpack_from("<I", content, 21)[0] >> 28 << 28 | (10_900 - 1) << 14 | (16_383 - 1)
    return content[:21] + struct.pack("<I", bits) + content[25:]


def gif() -> bytes:
    return pictures.encoded(Image.new("P", (9_000, 9_000)), "GIF")


def tiff_of(entries: Mapping[int, tuple[int, int, int]], data: bytes) -> bytes:
    """One page: tags with their type, count and value; the data begin at byte 8."""
    tags = b"".join(struct.pack("<HHII", tag, *entry) for tag, entry in sorted(entries.items()))
    start = struct.pack("<2sHI", b"II", 42, 8 + len(data))
    return start + data + struct.pack("<H", len(entries)) + tags + bytes(4)


def blank_tiff() -> bytes:
    """All strips are one and the same."""
    rows, count = 100, SIDE // 100
    strip = zeros(rows * SIDE * 3)
    offsets, sizes = (struct.pack(f"<{count}I", *[value] * count) for value in (8, len(strip)))
    data = strip + bytes(-len(strip) % 4) + offsets + sizes + struct.pack("<3H", 8, 8, 8)
    where = 8 + len(data) - 6
    return tiff_of(
        {
            256: (4, 1, SIDE),
            257: (4, 1, SIDE),
            258: (3, 3, where),
            259: (3, 1, 8),
            262: (3, 1, 2),
            273: (4, count, where - 8 * count),
            277: (3, 1, 3),
            278: (4, 1, rows),
            279: (4, count, where - 4 * count),
        },
        data,
    )


def tiff_of_many_tags() -> bytes:
    """50,000 tags, each of which is the same 300 kilobytes."""
    entries = dict.fromkeys(range(1000, 51000), (1, 300000, 8))
    entries |= {256: (4, 1, 8), 257: (4, 1, 8)}
    return tiff_of(entries, bytes(300_000))


def tiff_of_many_pages(count: int = 100_000) -> bytes:
    """Each page is 1 x 1, and all have the same pixel."""
    size = 2 + 12 * 8 + 4
    pages = []
    for page in range(count):
        tags = {256: 1, 257: 1, 258: 8, 259: 1, 262: 1, 273: 8, 278: 1, 279: 1}
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
        following = 12 + size * (page + 1) if page + 1 < count else 0
        pages.append(struct.pack("<H", 8) + entries + struct.pack("<I", following))
    return struct.pack("<2sHI", b"II", 42, 12) + bytes(4) + b"".join(pages)


def jpeg2000() -> bytes:
    """The image and its only tile are large; there is hardly any data."""
    content = pictures.encoded(np.zeros((64, 64, 3), np.uint8), "JPEG2000")
    size = struct.pack(">II", SIDE, SIDE)
    box, siz = content.index(b"ihdr") + 4, content.index(b"\xff\x51") + 6
    content = content[:box] + size + content[box + 8 :]
    content = content[:siz] + size + content[siz + 8 :]
    return content[: siz + 16] + size + content[siz + 24 :]


def avif() -> bytes:
    return pictures.encoded(Image.new("RGB", (7_000, 7_000)), "AVIF", speed=10)


def pdf_of(*objects: bytes) -> bytes:
    """Numbered from 1; the first is the catalog."""
    bodies = (b"%d 0 obj\n%b\nendobj\n" % (number, body) for number, body in enumerate(objects, 1))
    return b"%PDF-1.4\n" + b"".join(bodies) + b"trailer\n<< /Root 1 0 R >>\n%%EOF\n"


def stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<< %b /Length %d >>\nstream\n%b\nendstream" % (entries, len(content), content)


def pdf_page(resources: bytes, content: bytes, *objects: bytes, side: int = 100) -> bytes:
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] " % (side, side)
    return pdf_of(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        page + b"/Resources << /XObject << %b >> >> /Contents 4 0 R >>" % resources,
        stream(content),
        *objects,
    )


def nested_pdf(depth: int = 12, width: int = 10) -> bytes:
    """Each form draws the next one ten times."""
    form = b"/Type /XObject /Subtype /Form /BBox [0 0 100 100] "
    forms = [
        stream(
            b"/F Do " * width,
            form + b"/Resources << /XObject << /F %d 0 R >> >>" % (6 + number),
        )
        for number in range(depth)
    ]
    return pdf_page(b"/F 5 0 R", b"/F Do", *forms, stream(b"0 0 9 9 re f", form))


def large_pdf() -> bytes:
    """A page of just within the limit of pixels."""
    return pdf_page(b"", b"", side=SIDE // 2)


def pdf_with_a_large_image() -> bytes:
    side = 20_000
    image = b"/Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceRGB "
    image = image % (side, side) + b"/BitsPerComponent 8 /Filter [/FlateDecode /FlateDecode]"
    data = zlib.compress(zeros(3 * side * side))
    return pdf_page(b"/I 5 0 R", b"100 0 0 100 0 0 cm /I Do", stream(data, image))


def _kinds() -> Iterator[Make]:
    yield from (blank_png, deep_png, png_with_a_long_chunk, animated_png)
    yield from (jpeg_behind_markers, progressive_jpeg, webp, gif)
    yield from (blank_tiff, tiff_of_many_tags, jpeg2000, large_pdf, pdf_with_a_large_image)
    if features.check("avif"):
        yield avif


FILES = {make.__name__: make for make in _kinds()}
"""Functions that make a file of less than a megabyte, by their names."""


def gzipped(content: bytes, times: int) -> bytes:
    for _ in range(times):
        deflate = zlib.compressobj(9, wbits=31)
        content = deflate.compress(content) + deflate.flush()
    return content


def gzipped_zeros(count: int, times: int) -> bytes:
    """A PNG's beginning and so many zeros."""
    head, block = b"\x89PNG\r\n\x1a\n" + bytes(600), bytes(1 << 20)
    checksum = zlib.crc32(head)
    for _ in range(count >> 20):
        checksum = zlib.crc32(block, checksum)
    length = len(head) + (count & ~0xFFFFF)
    content = b"\x1f\x8b\x08" + bytes(5) + b"\2\xff" + deflated_zeros(length - len(head), head)
    content += struct.pack("<II", checksum, length & 0xFFFFFFFF)
    return gzipped(content, times - 1)
