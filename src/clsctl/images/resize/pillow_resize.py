"""Compute a part of what Pillow's resize gives: the same pixels to the bit, in less time.

Pillow resizes in two passes, first every row, then every column, and rounds to 8 bits after each.
So the first can leave out the rows that no wanted pixel is made of, and the second the columns that
are not wanted. Its own `box` argument does not serve: it moves pixels by what float32 rounds off.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Resampling

    Box = tuple[int, int, int, int]

SUPPORT = {"NEAREST": 0.5, "BOX": 0.5, "BILINEAR": 1.0, "BICUBIC": 2.0, "LANCZOS": 3.0}
"""How far a filter reaches to each side, in pixels of the smaller of the two images."""


def resized_part(
    pixels: NDArray[Any], size: tuple[int, int], box: Box, resample: Resampling
) -> NDArray[np.uint8]:
    """Return `Image.fromarray(pixels).resize(size, resample).crop(box)` as an array.

    Args:
        pixels: uint8 [H, W, 3].
        size: Width and height of the whole result.
        box: Left, top, right and bottom of what is wanted of it.

    Returns:
        uint8 [bottom - top, right - left, 3].
    """
    import numpy as np
    from PIL import Image

    (width, height), (left, top, right, bottom) = size, box
    if box == (0, 0, *size) or _may_begin_with_columns(pixels.shape[1::-1], size):
        whole = Image.fromarray(pixels).resize(size, resample)
        return np.asarray(whole)[top:bottom, left:right]
    first, last = _rows(len(pixels), height, top, bottom, SUPPORT[resample.name])
    across = Image.fromarray(pixels[first:last]).resize((width, last - first), resample)
    # The second pass goes over all rows, for them to be where they are in the whole.
    columns = Image.new("RGB", (right - left, len(pixels)))
    columns.paste(across.crop((left, 0, right, last - first)), (0, first))
    return np.asarray(columns.resize((right - left, height), resample))[top:bottom]


def _may_begin_with_columns(before: tuple[int, ...], after: tuple[int, int]) -> bool:
    """Return what Pillow 13 asks: whether the height shrinks by twice what the width does."""
    narrower, lower = before[0] - after[0], before[1] - after[1]
    return lower > 0 and lower > 2 * narrower


def _rows(before: int, after: int, top: int, bottom: int, support: float) -> tuple[int, int]:
    """Return the first row, and the one after the last, that rows `top` to `bottom` are made of."""
    scale = before / after
    reach = support * max(scale, 1) + 1
    first = math.floor((top + 0.5) * scale - reach)
    last = math.ceil((bottom - 0.5) * scale + reach)
    return max(first, 0), min(last, before)
