"""Tell the format of an image file by its first bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping

SUFFIXES = frozenset(
    {".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".hif", ".j2k", ".jfif", ".jp2", ".jpe"}
    | {".jpeg", ".jpg", ".mpo", ".pbm", ".pdf", ".pgm", ".png", ".pnm", ".ppm", ".ras", ".sr"}
    | {".tif", ".tiff", ".webp"}
)
"""Endings by which images and documents are found in a folder."""

HEIF_SUFFIXES = (".heic", ".heif", ".hif")
"""Those of which the decoder is an extra."""

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
    "PDF": rb"(?:\xef\xbb\xbf)?\s*%PDF-",
}
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF"} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "HEIC"
)
"""The codec in a container of the type ISO 14496-12, by one of the brands that it names."""

FORMATS = (*_SIGNATURES, "AVIF", "HEIC")

_NAMED = 5

HEAD = 512
"""Bytes of a file that tell its format."""

_SIGNATURE = re.compile(b"|".join(b"(%b)" % pattern for pattern in _SIGNATURES.values()), re.DOTALL)


def format_of(data: bytes) -> str | None:
    """Return the one of `FORMATS` in which these bytes begin, or None."""
    if data[4:8] == b"ftyp":
        return _brand(data)
    match = _SIGNATURE.match(data)
    return FORMATS[match.lastindex - 1] if match and match.lastindex else None


def count_suffixes(counts: Mapping[str, int]) -> str:
    """Describe files by their endings, such as `5 files (3 .txt, 2 without an ending)`."""
    largest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_NAMED]
    named = [f"{count} {suffix or 'without an ending'}" for suffix, count in largest]
    rest = ["..."] if len(counts) > len(named) else []
    total = sum(counts.values())
    return f"{total} file{'s' * (total > 1)} ({', '.join(named + rest)})"


def _brand(data: bytes) -> str | None:
    """The major brand decides; where it names a container alone, the first compatible one does."""
    end = min(int.from_bytes(data[:4], "big"), len(data), HEAD)
    brands = (data[8:12], *(data[at : at + 4] for at in range(16, end, 4)))
    return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None)
