"""The steps of preprocessing that change an image's size: resize, and crop."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clsctl.errors import DataError
from clsctl.images.resize.resample import cut_box, resampler
from clsctl.settings import Settings

if TYPE_CHECKING:
    from clsctl.images.resize.pillow_resize import Box
    from clsctl.images.resize.resample import Pixels, Resample, Size

    Step = Callable[[Pixels], Pixels]

MAX_PIXELS = Settings().max_pixels


def resize_step(
    resize_short: int | None = None,
    size: int | Sequence[int] | None = None,
    interpolation: str | None = None,
    backend: str = "cv2",
) -> Step:
    """Build PaddleX's `ResizeImage`; raises ValueError where the arguments cannot work."""
    return Resize(_target(resize_short, size), resampler(backend, interpolation))


def _whole(width: int, height: int) -> Box:
    return 0, 0, width, height


@dataclass(frozen=True, slots=True)
class Resize:
    """Resize, and keep a part of the result, so that the rest need not be computed.

    Attributes:
        target_of: Width and height after resizing, by width and height before it.
        box_of: What to keep, by width and height after resizing.
    """

    target_of: Callable[[int, int], Size]
    resample: Resample
    box_of: Callable[[int, int], Box] = _whole

    def __call__(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        target = self.target_of(width, height)
        if target == (width, height):
            return cut_box(pixels, self.box_of(*target))
        if target[0] * target[1] > MAX_PIXELS:
            raise DataError(
                f"the image, {width} x {height} pixels, is too long and thin: resized it would "
                f"have {target[0]} x {target[1]}",
                code="E_IMAGE_TOO_LARGE",
                hint="cut it into pieces",
            )
        return self.resample(pixels, target, self.box_of(*target))


def _target(
    short: int | None, size: int | Sequence[int] | None
) -> Callable[[int, int], tuple[int, int]]:
    """Return a function of width and height before resizing that gives those after it."""
    if short:
        return functools.partial(_short_side, short)
    if size:
        fixed = _pair(size)
        return lambda width, height: fixed
    raise ValueError("it needs resize_short or size")


def _short_side(short: int, width: int, height: int) -> tuple[int, int]:
    scale = short / min(height, width)
    return round(width * scale), round(height * scale)


def _pair(size: int | Sequence[int]) -> tuple[int, int]:
    """Return width and height."""
    width, height = (size, size) if isinstance(size, int) else size
    if min(width, height) < 1:
        raise ValueError(f"{size} is no size in pixels")
    return width, height


def crop_step(size: int | Sequence[int] = 224, fraction: float | None = None) -> Step:
    """Build PaddleX's `CropImage`; raises ValueError where the size is none."""
    if fraction:
        return Crop(functools.partial(_fraction_box, fraction))
    return Crop(functools.partial(_centre_box, _pair(size)))


@dataclass(frozen=True, slots=True)
class Crop:
    """Keep a box, which depends on the image's width and height."""

    box_of: Callable[[int, int], Box]

    def __call__(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        return cut_box(pixels, self.box_of(width, height))


def join_step(steps: list[Step], step: Step) -> list[Step]:
    """Add a step; a crop becomes a part of the resize before it."""
    last = steps[-1] if steps else None
    if isinstance(step, Crop) and isinstance(last, Resize) and last.box_of is _whole:
        return [*steps[:-1], replace(last, box_of=step.box_of)]
    return [*steps, step]


def _centre_box(side: tuple[int, int], width: int, height: int) -> Box:
    left, top = (width - side[0]) // 2, (height - side[1]) // 2
    if left < 0 or top < 0:
        raise DataError(
            f"the image, {width} x {height} pixels, is smaller than the model's crop of "
            f"{side[0]} x {side[1]}",
            code="E_IMAGE_TOO_SMALL",
        )
    return left, top, left + side[0], top + side[1]


def _fraction_box(fraction: float, width: int, height: int) -> Box:
    """Return the centre square as TensorFlow's EfficientNet cuts it: an odd pixel goes top left."""
    side = max(1, int(fraction * min(height, width)))
    left, top = (width - side + 1) // 2, (height - side + 1) // 2
    return left, top, left + side, top + side
