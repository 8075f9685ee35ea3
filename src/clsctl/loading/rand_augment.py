"""RandAugment and TrivialAugment: operations on an image, drawn at random.

E. D. Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search
space", 2020. S. G. Müller and F. Hutter, "TrivialAugment: Tuning-free yet state-of-the-art data
augmentation", 2021; here with RandAugment's operations and ranges, which is TA (RA) there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

GREY = (128, 128, 128)
"""What geometric operations leave uncovered."""

# Turn, shear and shift by the paper's largest amounts at level 1; a level's sign is a direction.
_MAX_DEGREES, _MAX_SHEAR, _MAX_SHIFT = 30.0, 0.3, 150 / 331
_MAX_ENHANCE = 0.9
_MAX_LOST_BITS = 4

_Vary = Callable[["NDArray[np.uint8]", "np.random.Generator"], "NDArray[np.uint8]"]


def rand_augment(count: int, strength: float, random_strength: bool = False) -> _Vary:
    """Return a function that applies operations drawn at random, of one strength or up to that."""
    if count == 0:
        return lambda pixels, rng: pixels
    import numpy as np
    from PIL import Image

    def vary(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        image = Image.fromarray(pixels)
        for choice in rng.integers(len(_OPERATIONS), size=count):
            level = (1 if rng.random() < 0.5 else -1) * strength / 10
            if random_strength:
                level *= rng.random()
            image = _OPERATIONS[choice](image, level)
        return np.asarray(image)

    return vary


def _same(image: Image, level: float) -> Image:
    return image


def _turn(image: Image, level: float) -> Image:
    from PIL.Image import Resampling

    return image.rotate(level * _MAX_DEGREES, Resampling.BILINEAR, fillcolor=GREY)


def _shift(axis: int, image: Image, level: float) -> Image:
    offset = [0.0, 0.0]
    offset[axis] = level * _MAX_SHIFT * image.size[axis]
    return _affine(image, (1, 0, offset[0], 0, 1, offset[1]))


def _shear(axis: int, image: Image, level: float) -> Image:
    slope = [0.0, 0.0]
    slope[axis] = level * _MAX_SHEAR
    return _affine(image, (1, slope[0], 0, slope[1], 1, 0))


def _affine(image: Image, matrix: tuple[float, ...]) -> Image:
    from PIL.Image import Resampling, Transform

    return image.transform(
        image.size, Transform.AFFINE, matrix, Resampling.BILINEAR, fillcolor=GREY
    )


def _enhance(quality: str, image: Image, level: float) -> Image:
    from PIL import ImageEnhance

    enhancer = getattr(ImageEnhance, quality)(image)
    return enhancer.enhance(1 + level * _MAX_ENHANCE)  # type: ignore[no-any-return]


def _posterize(image: Image, level: float) -> Image:
    from PIL import ImageOps

    return ImageOps.posterize(image, 8 - round(abs(level) * _MAX_LOST_BITS))


def _solarize(image: Image, level: float) -> Image:
    from PIL import ImageOps

    return ImageOps.solarize(image, round(256 * (1 - abs(level))))


def _autocontrast(image: Image, level: float) -> Image:
    from PIL import ImageOps

    return ImageOps.autocontrast(image)


def _equalize(image: Image, level: float) -> Image:
    from PIL import ImageOps

    return ImageOps.equalize(image)


_OPERATIONS: tuple[Callable[[Image, float], Image], ...] = (
    _same,
    _autocontrast,
    _equalize,
    _turn,
    _solarize,
    _posterize,
    functools.partial(_enhance, "Color"),
    functools.partial(_enhance, "Contrast"),
    functools.partial(_enhance, "Brightness"),
    functools.partial(_enhance, "Sharpness"),
    functools.partial(_shear, 0),
    functools.partial(_shear, 1),
    functools.partial(_shift, 0),
    functools.partial(_shift, 1),
)
