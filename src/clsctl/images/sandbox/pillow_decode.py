"""Decode TIFF, GIF, JPEG 2000, AVIF and HEIC by Pillow: in the decoding process, nowhere else.

What these decoders take in memory and time cannot be told beforehand.
"""

from __future__ import annotations

import functools
import importlib
import io
import itertools
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from clsctl.errors import DataError
from clsctl.images.headers import Header
from clsctl.images.image_errors import check_size, needs_package, unsupported

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PLUGINS = {
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "JPEG 2000": ("PIL.Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIC": ("pillow_heif.as_plugin", "HeifImageFile"),
}
_ORIENTATION, _PHOTOMETRIC, _WHITE_IS_ZERO = 0x0112, 262, 0


class RawPixels(NamedTuple):
    """Pixels as they go from one process to another: height x width x 3 bytes, RGB."""

    height: int
    width: int
    content: bytes | memoryview


RawPage = tuple[int | None, Callable[[], RawPixels]]


def read_pillow_header(kind: str, stream: IO[bytes]) -> Header:
    """Read the header of the first page; anything may be raised where it is damaged."""
    image = _open(kind, stream)
    orientation = image.getexif().get(_ORIENTATION, 1)
    return Header(image.width, image.height, image.mode, orientation)


def iter_pillow_pages(kind: str, data: bytes, max_pixels: int) -> Iterator[RawPage]:
    """Yield each page's number, or None for a single image, and a function that decodes it.

    Whatever a damaged file makes the decoder raise is raised.
    """
    image = _open(kind, io.BytesIO(data))
    if kind != "TIFF":
        yield None, functools.partial(_decode, image, max_pixels)
        return
    try:
        image.seek(1)
    except EOFError:
        yield None, functools.partial(_decode_tiff, image, 0, max_pixels)
        return
    except Exception:  # noqa: BLE001 - raised again when that page's turn comes
        pass
    for page in itertools.count():
        try:
            image.seek(page)
        except EOFError:
            return
        yield page, functools.partial(_decode_tiff, image, page, max_pixels)


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
    return _raw(ImageOps.exif_transpose(image))


def _decode_tiff(image: Any, page: int, max_pixels: int) -> RawPixels:
    image.seek(page)
    check_size(image.width, image.height, max_pixels)
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        # Pillow turns white-is-zero around where there are 8 bits, and nowhere else.
        return _raw_of_deep(image, image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO)
    return _raw(image)


def _raw(image: Any) -> RawPixels:
    if image.mode.startswith("I;16"):
        return _raw_of_deep(image)
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    return RawPixels(rgb.height, rgb.width, rgb.tobytes())


def _raw_of_deep(image: Any, inverted: bool = False) -> RawPixels:
    import numpy as np

    grey = _eight_bits(np.asarray(image))
    grey = 255 - grey if inverted else grey
    height, width = grey.shape
    return RawPixels(height, width, grey[:, :, None].repeat(3, axis=2).tobytes())


def _eight_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale grey values to 8 bits, as scikit-image's `img_as_ubyte` does, or refuse to.

    Sixteen bits become their high byte, as in a PNG; fractions from 0 to 1 are multiplied by 255.
    Other fractions and whole numbers of 32 bits have no white that is agreed upon: they are taken
    as they are where all lie in 0 to 255, as in PaddleX, and would be clipped to black or white
    elsewhere.
    """
    import numpy as np

    if values.dtype.itemsize == 2:
        high: NDArray[np.uint8] = (values >> 8).astype(np.uint8)
        return high
    least, most = values.min(), values.max()
    if not (least >= 0 and most <= 255):  # nor is that true of what is no number
        raise DataError(
            f"its values, from {least:g} to {most:g}, cannot be shown: 0 to 1 can, and 0 to 255",
            code="E_IMAGE_RANGE",
            hint="scale the values and save them with 8 or 16 bits",
        )
    fractions = values.dtype.kind == "f" and most <= 1
    scaled: NDArray[np.uint8] = np.rint(values * 255 if fractions else values).astype(np.uint8)
    return scaled
