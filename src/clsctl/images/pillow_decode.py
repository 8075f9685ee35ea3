"""Decode by Pillow what OpenCV does not read, or reads in another way than PaddleX."""

from __future__ import annotations

import functools
import importlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from clsctl.images.image_errors import check_size, translate_decoder_errors, unsupported
from clsctl.images.page import Page

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMATS = {
    "TIFF": ("TiffImagePlugin", "TiffImageFile"),
    "GIF": ("GifImagePlugin", "GifImageFile"),
    "JPEG 2000": ("Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "AVIF": ("AvifImagePlugin", "AvifImageFile"),
}


def decode_with_pillow(kind: str, data: bytes, max_pixels: int) -> NDArray[np.uint8]:
    """Decode an image of one of the `FORMATS`; see `clsctl.images.decode.iter_pages`."""
    from PIL import ImageOps

    with translate_decoder_errors(kind):
        image = _open_pillow(kind, data)
        check_size(image.width, image.height, max_pixels)
        return _rgb(ImageOps.exif_transpose(image))


def iter_tiff_pages(data: bytes, max_pixels: int) -> Iterator[Page]:
    """Yield the pages of a TIFF; see `clsctl.images.decode.iter_pages`."""
    with translate_decoder_errors("TIFF"):
        image = _open_pillow("TIFF", data)
        count = image.n_frames
    for page in range(count):
        number = page if count > 1 else None
        yield Page(number, functools.partial(_tiff_page, image, page, max_pixels))


def _tiff_page(image: Any, page: int, max_pixels: int) -> NDArray[np.uint8]:
    with translate_decoder_errors("TIFF"):
        image.seek(page)
        check_size(image.width, image.height, max_pixels)
        pixels = _rgb(image)
        # Pillow turns white-is-zero around where there are 8 bits, not where there are 16.
        inverted = image.mode.startswith("I;16") and image.tag_v2.get(262) == 0
        return 255 - pixels if inverted else pixels


def _open_pillow(kind: str, data: bytes) -> Any:
    """Open it by the format's class: Image.open tries every format, under a limit of its own."""
    module, name = FORMATS[kind]
    try:
        plugin = importlib.import_module(f"PIL.{module}")
    except ImportError:  # an older Pillow
        raise unsupported() from None
    return getattr(plugin, name)(io.BytesIO(data))


def _rgb(image: Any) -> NDArray[np.uint8]:
    """Convert to RGB; of 16 bits take the high byte, as in a PNG, where Pillow clips at 255."""
    import numpy as np

    if image.mode.startswith("I;16"):
        return grey_to_rgb((np.asarray(image) >> 8).astype(np.uint8))
    return np.array(image.convert("RGB"))


def grey_to_rgb(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat a channel [H, W] three times."""
    return array[:, :, None].repeat(3, axis=2)
