"""Inspect one image file: its size, orientation, colour mode and pixels, or why it is damaged."""

from __future__ import annotations

import os
import zlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clsctl.datasets.check.duplicates import GRID
from clsctl.errors import ClsctlError, DataError
from clsctl.images.decode import iter_pages
from clsctl.images.fetch import read_file, unreadable
from clsctl.images.formats import format_of
from clsctl.images.headers import PLAIN, Header, read_header
from clsctl.images.image_errors import check_size, empty, truncated, unsupported
from clsctl.images.sandbox.process import sandboxed_header
from clsctl.images.value_range import range_of
from clsctl.paths import open_regular
from clsctl.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


HEAD, SIGNED = 1 << 16, 1 << 12
"""Bytes that a fast scan reads of a file, and that an exact copy is first recognised by."""


class ImageFacts(NamedTuple):
    """What is kept of one file."""

    width: int = 0
    height: int = 0
    rotated: bool = False
    mode: str = ""
    signature: int = 0
    error: ClsctlError | None = None
    warning: str = ""


class InspectedImage(NamedTuple):
    """A file's facts and, where it was decoded, uint8 [GRID, GRID, 3] of its pixels, RGB."""

    facts: ImageFacts
    grid: NDArray[np.uint8] | None = None


def inspect_pixels(path: Path, settings: Settings) -> InspectedImage:
    """Decode an image; of a document or animation, the first page.

    One of more than 8 bits is seen by the range of its own values: what range a model takes is
    found out when it is trained.
    """
    import cv2

    data = read_file(path)
    warnings: list[str] = []
    with closing(iter_pages(data, settings)) as found:
        own = replace(settings, value_range=range_of(next(found).span()))
    with closing(iter_pages(data, own, warnings.append)) as found:
        pixels = next(found).decode()
    header = _header(data, path, settings)
    facts = _facts(header, _signature(len(data), data), "; ".join(warnings))
    # Nearest neighbours are the fastest, and keep the spread of the values.
    grid: Any = cv2.resize(pixels, (GRID, GRID), interpolation=cv2.INTER_NEAREST)
    return InspectedImage(facts, grid)


def inspect_header(path: Path, settings: Settings) -> InspectedImage:
    """Read a header; a small file, which is read whole, is also known to be cut short."""
    head, size = _read_head(path)
    if not head:
        raise empty()
    try:
        header = _header(head, path, settings)
    except DataError:
        if size == len(head):
            raise
        header = _header(read_file(path), path, settings)
    if size == len(head) and not header.whole:
        if format_of(head) == "JPEG":  # only to decode it tells whether something is missing
            return inspect_pixels(path, settings)._replace(grid=None)
        raise truncated(str(format_of(head)))
    if header.width:
        check_size(header.width, header.height, settings.max_pixels)
    return InspectedImage(_facts(header, _signature(size, head)))


def _header(data: bytes, path: Path, settings: Settings) -> Header:
    """Read the header of a file, of which the beginning may do; a PDF has no size."""
    kind = format_of(data)
    if kind is None:
        raise unsupported()
    if kind == "PDF":
        return Header(0, 0)
    return read_header(kind, data) if kind in PLAIN else sandboxed_header(kind, path, settings)


def _facts(header: Header, signature: int, warning: str = "") -> ImageFacts:
    rotated = header.orientation != 1
    return ImageFacts(header.width, header.height, rotated, header.mode, signature, warning=warning)


def _read_head(path: Path) -> tuple[bytes, int]:
    """Read a file's first bytes, and its size."""
    try:
        with open_regular(path, buffering=0) as stream:
            return stream.read(HEAD) or b"", os.fstat(stream.fileno()).st_size
    except (OSError, ValueError) as error:
        raise unreadable(error) from None


def _signature(size: int, data: bytes) -> int:
    return (size & 0xFFFFFFFF) << 32 | zlib.crc32(data[:SIGNED])
