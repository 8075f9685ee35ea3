"""Decode TIFF, GIF, JPEG 2000, AVIF and HEIC by Pillow: in the decoding process, nowhere else.

What these decoders take in memory and time cannot be told beforehand.
"""

from __future__ import annotations

import functools
import importlib
import io
from collections.abc import Iterator
from typing import IO, Any

from clsctl.images.headers import Header
from clsctl.images.image_errors import check_size, needs_package, unsupported
from clsctl.images.sandbox.raw_pixels import RawPage, RawPixels, raw_of_image
from clsctl.images.sandbox.tiff import iter_tiff_pages, read_tiff_header

PLUGINS = {
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "JPEG 2000": ("PIL.Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIC": ("pillow_heif.as_plugin", "HeifImageFile"),
}
_ORIENTATION = 0x0112


def read_pillow_header(kind: str, stream: IO[bytes]) -> Header:
    """Read the header of the first page; anything may be raised where it is damaged."""
    if kind == "TIFF":
        return read_tiff_header(stream, functools.partial(_open, kind))
    image = _open(kind, stream)
    orientation = image.getexif().get(_ORIENTATION, 1)
    return Header(image.width, image.height, image.mode, orientation)


def iter_pillow_pages(kind: str, data: bytes, max_pixels: int) -> Iterator[RawPage]:
    """Yield the pages; whatever a damaged file makes the decoder raise is raised."""
    if kind == "TIFF":
        yield from iter_tiff_pages(data, max_pixels, functools.partial(_open, kind))
        return
    image = _open(kind, io.BytesIO(data))
    yield RawPage(None, functools.partial(_decode, image, max_pixels))


def _open(kind: str, stream: IO[bytes]) -> Any:
    """Straight from the format's class; Image.open tries every format under limits of its own."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # there is a limit of ours, and this process is alone
    module, name = PLUGINS[kind]
    try:
        plugin = importlib.import_module(module)
    except ImportError:
        if kind == "HEIC":
            raise needs_package("HEIC", "pillow-heif") from None
        raise unsupported() from None  # an older Pillow
    return getattr(plugin, name)(stream)


def _decode(image: Any, max_pixels: int) -> RawPixels:
    from PIL import ImageOps

    check_size(image.width, image.height, max_pixels)
    return raw_of_image(ImageOps.exif_transpose(image))
