"""Decode TIFF by Pillow, as PaddleX does, and by OpenCV what Pillow cannot hold."""

from __future__ import annotations

import functools
import io
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

from clsctl.errors import DataError
from clsctl.images.headers import Header
from clsctl.images.image_errors import check_size, corrupt
from clsctl.images.sandbox.raw_pixels import (
    RawPage,
    RawPixels,
    eight_bits,
    raw_of_image,
    raw_of_values,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC = 256, 257, 258, 262
_ORIENTATION, _CHANNELS, _EXTRA, _KIND = 274, 277, 338, 339
_WHITE_IS_ZERO, _RGB, _CMYK = 0, 2, 5
_FLOAT = 3
_GREY = (0, 1, 3)
"""Photometric interpretations of one channel: grey both ways, and a palette."""
_ALPHA = (1, 2)
"""Extra samples that are transparency."""


def read_tiff_header(stream: IO[bytes], open_image: Callable[[Any], Any]) -> Header:
    """Read the header of the first page; anything may be raised where it is damaged.

    Raises:
        DataError: It has more channels than a picture (`E_IMAGE_CHANNELS`).
    """
    try:
        image = open_image(stream)
    except Exception:
        stream.seek(0)
        if not _is_odd(stream.read()):
            raise
        stream.seek(0)
        tags = _read_tags(stream)
        return Header(tags[_WIDTH], tags[_HEIGHT], "RGB" if tags.get(_CHANNELS, 1) > 1 else "F")
    _check_channels(image.tag_v2)
    return Header(image.width, image.height, image.mode, image.getexif().get(_ORIENTATION, 1))


def iter_tiff_pages(
    data: bytes, max_pixels: int, open_image: Callable[[Any], Any]
) -> Iterator[RawPage]:
    """Yield each page, of which the number is None where there is only one.

    Args:
        open_image: Opens a stream with Pillow.
    """
    try:
        image = open_image(io.BytesIO(data))
    except Exception:
        if not _is_odd(data):
            raise
        yield from _iter_odd_pages(data, max_pixels)
        return
    single = _is_single(image)
    for page in itertools.count():
        try:
            image.seek(page)
        except EOFError:
            return
        decode = functools.partial(_decode, image, page, max_pixels)
        values = functools.partial(_values, image, page, data, max_pixels)
        deep = max(image.tag_v2.get(_BITS, (1,))) > 8
        yield RawPage(None if single else page, decode, values if deep else None)


def _is_single(image: Any) -> bool:
    try:
        image.seek(1)
    except EOFError:
        return True
    except Exception:  # noqa: BLE001 - raised again when that page's turn comes
        pass
    return False


def _decode(image: Any, page: int, max_pixels: int) -> RawPixels:
    _seek(image, page, max_pixels)
    if _is_deep_grey(image):
        return raw_of_values(_deep_grey(image))
    return raw_of_image(image)


def _values(image: Any, page: int, data: bytes, max_pixels: int) -> NDArray[Any]:
    _seek(image, page, max_pixels)
    if _is_deep_grey(image):
        return _grey_values(image)
    image.load()  # where it is damaged, the error is the same for all
    return _by_opencv(data, page)  # of colours Pillow leaves the high byte alone


def _seek(image: Any, page: int, max_pixels: int) -> None:
    image.seek(page)
    check_size(image.width, image.height, max_pixels)
    _check_channels(image.tag_v2)


# ---- grey values of more than 8 bits -----------------------------------------------------------


def _is_deep_grey(image: Any) -> bool:
    return image.mode in ("F", "I") or image.mode.startswith("I;16")


def _deep_grey(image: Any) -> NDArray[Any]:
    import numpy as np

    grey = eight_bits(np.asarray(image))
    return 255 - grey if _is_inverted(image) else grey


def _grey_values(image: Any) -> NDArray[Any]:
    """Of white that is zero, the values are turned around within what 16 bits hold."""
    import numpy as np

    values = np.asarray(image)
    return 65535 - values if _is_inverted(image) and values.dtype.itemsize == 2 else values


def _is_inverted(image: Any) -> bool:
    """Pillow turns white-is-zero around where there are 8 bits, and nowhere else."""
    return bool(image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO)


# ---- what Pillow cannot hold -------------------------------------------------------------------


def _is_odd(data: bytes) -> bool:
    """Tell whether a file holds floats in colour or of 64 bits, which Pillow cannot hold.

    Raises:
        DataError: It has more channels than a picture (`E_IMAGE_CHANNELS`).
    """
    try:
        tags = _read_tags(io.BytesIO(data))
    except Exception:  # noqa: BLE001 - it is damaged
        return False
    _check_channels(tags)
    return set(tags.get(_KIND, ())) == {_FLOAT}


def _iter_odd_pages(data: bytes, max_pixels: int) -> Iterator[RawPage]:
    import cv2
    import numpy as np

    tags = _read_tags(io.BytesIO(data))
    check_size(tags[_WIDTH], tags[_HEIGHT], max_pixels)
    pages = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[1]
    if not pages:
        raise corrupt("TIFF")
    for number, page in enumerate(map(_rgb, pages)):
        decode = functools.partial(_decode_odd, page)
        yield RawPage(number if len(pages) > 1 else None, decode, functools.partial(_same, page))


def _decode_odd(values: NDArray[Any]) -> RawPixels:
    return raw_of_values(eight_bits(values))


def _same(values: NDArray[Any]) -> NDArray[Any]:
    return values


def _by_opencv(data: bytes, page: int) -> NDArray[Any]:
    import cv2
    import numpy as np

    content = np.frombuffer(data, np.uint8)
    found = cv2.imdecodemulti(content, cv2.IMREAD_UNCHANGED, range=(page, page + 1))[1]
    if not found:
        raise corrupt("TIFF")
    return _rgb(found[0])


def _rgb(values: Any) -> NDArray[Any]:
    """Return [H, W] as it is, and [H, W, 3 or 4], BGR and perhaps alpha, as [H, W, 3]."""
    rgb: NDArray[Any] = values if values.ndim == 2 else values[..., 2::-1]
    return rgb


def _read_tags(stream: IO[bytes]) -> Mapping[int, Any]:
    """Read the tags of the first page, also of one that Pillow does not read."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    start = stream.read(16)
    large = b"+" in start[2:4]  # BigTIFF
    tags = ImageFileDirectory_v2(start if large else start[:8])
    stream.seek(tags.next)
    tags.load(stream)
    return tags


def _check_channels(tags: Mapping[int, Any]) -> None:
    """Refuse what has more channels than grey or colours, and transparency.

    One more channel of which nothing is said is transparency: OpenCV writes it so.
    """
    channels, extra = tags.get(_CHANNELS, 1), tags.get(_EXTRA)
    kind = tags.get(_PHOTOMETRIC, _RGB if channels > 1 else _GREY[0])
    colours = 1 if kind in _GREY else 4 if kind == _CMYK else 3
    transparent = extra is None or extra[0] in _ALPHA
    if channels > colours + transparent:
        raise DataError(
            f"it has {channels} channels, and a picture has {colours}, or {colours + 1} with "
            "transparency",
            code="E_IMAGE_CHANNELS",
            hint="save those three that show most as an RGB image, or one of them in grey",
        )
