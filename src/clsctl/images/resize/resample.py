"""Resize images by OpenCV or Pillow, as the names that PaddleX and PaddleClas use ask for it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from clsctl.errors import unknown_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clsctl.images.resize.pillow_resize import Box

    Pixels = NDArray[Any]
    Size = tuple[int, int]
    Resample = Callable[[Pixels, Size, Box], Pixels]

# What PaddleX and PaddleClas call an interpolation -> what the library calls it.
INTERPOLATIONS = {
    "cv2": {
        "nearest": "INTER_NEAREST",
        "linear": "INTER_LINEAR",
        "bilinear": "INTER_LINEAR",
        "bicubic": "INTER_CUBIC",
        "area": "INTER_AREA",
        "lanczos": "INTER_LANCZOS4",
        "lanczos4": "INTER_LANCZOS4",
    },
    "pil": {
        "nearest": "NEAREST",
        "bilinear": "BILINEAR",
        "bicubic": "BICUBIC",
        "area": "BOX",
        "box": "BOX",
        "lanczos": "LANCZOS",
        "lanczos4": "LANCZOS",
    },
}
# What clsctl calls an interpolation -> what PaddleX calls it, where that is not the same.
PADDLEX_NAMES = {
    "cv2": {"bilinear": "LINEAR", "lanczos": "LANCZOS4"},
    "pil": {"area": "BOX", "lanczos": "LANCZOS4"},
}


def resampler(backend: str, name: str | None) -> Resample:
    """Return a function that resizes uint8 [H, W, 3] to a width and height, and cuts out a box.

    Args:
        backend: `cv2` or `pil`.
        name: What PaddleX or PaddleClas call the interpolation. None is bilinear, with Pillow
            bicubic: its own default, which PaddleClas therefore gets.

    Raises:
        ValueError: There is no such library or interpolation.
    """
    if backend not in INTERPOLATIONS:
        raise ValueError(unknown_name("backend", backend, INTERPOLATIONS))
    constants = INTERPOLATIONS[backend]
    name = (name or {"cv2": "bilinear", "pil": "bicubic"}[backend]).lower()
    if name not in constants:
        raise ValueError(unknown_name("interpolation", name, constants))
    return (_with_cv2 if backend == "cv2" else _with_pillow)(constants[name])


def _with_cv2(constant: str) -> Resample:
    import cv2

    code: int = getattr(cv2, constant)
    return lambda pixels, size, box: cut_box(cv2.resize(pixels, size, interpolation=code), box)


def _with_pillow(constant: str) -> Resample:
    from PIL import Image

    from clsctl.images.resize.pillow_resize import resized_part

    return functools.partial(resized_part, resample=Image.Resampling[constant])


def cut_box(pixels: Pixels, box: Box) -> Pixels:
    """Cut out what lies between left, top, right and bottom."""
    left, top, right, bottom = box
    return pixels[top:bottom, left:right]
