"""Take a stream of bytes into memory, as long as it may be an image, and never too many of them."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable
from typing import IO

from clsctl.images.formats import HEAD, format_of
from clsctl.images.image_errors import too_many_bytes, unsupported

MAX_STREAM = 1 << 29
"""Bytes that are taken of a stream whose length is not known, or of an answer from the network."""

CHUNK = 1 << 20


def read_all(stream: IO[bytes], head: bytes = b"") -> bytes:
    """Read the rest of a stream, after what was already read of it; raises as `join` does."""
    return join(itertools.chain([head], iter(lambda: stream.read(CHUNK), b"")))


def join(chunks: Iterable[bytes], limit: int = MAX_STREAM) -> bytes:
    """Join the pieces of an image; the first ones show whether it is worth waiting for the others.

    Raises:
        DataError: It is no image (`E_IMAGE_UNSUPPORTED`), or too large (`E_IMAGE_TOO_LARGE`).
    """
    content = io.BytesIO()
    for chunk in chunks:
        known = content.tell() >= HEAD
        content.write(chunk)
        if content.tell() > limit:
            raise too_many_bytes(limit)
        if not known and content.tell() >= HEAD:
            _require_image(content)
    if 0 < content.tell() < HEAD:
        _require_image(content)
    return content.getvalue()


def _require_image(content: io.BytesIO) -> None:
    if format_of(content.getbuffer()[:HEAD].tobytes()) is None:
        raise unsupported()
