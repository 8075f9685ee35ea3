"""Pixels and random numbers -> the network's input, a little different each time.

The base is PaddleClas' recipe: a random part of the image (`crop_box`), resized to the network's
input, flipped half the time and normalised exactly as in prediction. On request RandAugment comes
before normalisation and random erasing after it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from clsctl.errors import UsageError
from clsctl.images.preprocess import compile_transforms, transform_ops
from clsctl.images.resize.resample import resampler
from clsctl.schema.constraints import Fraction, NonNegativeInt, Range
from clsctl.schema.layers import key
from clsctl.values import Preprocessing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from clsctl.loading.loader import Transform

GREY = (128, 128, 128)
"""What RandAugment's geometric operations leave uncovered."""

ERASED_AREA = (0.02, 1 / 3)
LOG_ERASED_RATIO = math.log(1 / 0.3)
ERASING_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """How each training image is varied."""

    crop_scale: tuple[float, float] = key(
        (0.08, 1.0), "Smallest and largest share of an image's area that is cut out"
    )
    crop_ratio: tuple[float, float] = key(
        (3 / 4, 4 / 3), "Smallest and largest width of what is cut out, relative to its height"
    )
    flip: Fraction = key(0.5, "Share of the images that are mirrored, left for right")
    randaugment: NonNegativeInt = key(
        0, "Operations of RandAugment on each image; 0 is off, 2 usual"
    )
    strength: Annotated[float, Range(0, 10)] = key(9.0, "RandAugment's strength")
    erasing: Fraction = key(0.0, "Share of the images of which a part is erased")


def train_transform(preprocessing: Preprocessing, options: AugmentConfig) -> Transform:
    """Build the training counterpart of a model's preprocessing.

    Args:
        preprocessing: Gives the size, the library and interpolation, the mean and deviation.

    Returns:
        A function of uint8 [H, W, 3] RGB and random numbers -> float32 [3, S, S], safe to call from
        several threads.

    Raises:
        UsageError: A range of the options is empty or out of bounds (`E_CONFIG`).
    """
    import cv2

    _check_range("crop_scale", options.crop_scale, 1)
    _check_range("crop_ratio", options.crop_ratio, math.inf)
    size = (preprocessing.crop, preprocessing.crop)
    whole = (0, 0, *size)
    resample = resampler(preprocessing.backend, preprocessing.interpolation)
    normalize = compile_transforms(transform_ops(preprocessing)[-2:])
    vary = _rand_augment(options.randaugment, options.strength)

    def transform(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
        top, left, height, width = crop_box(pixels.shape[0], pixels.shape[1], options, rng)
        crop: Any = resample(pixels[top : top + height, left : left + width], size, whole)
        if rng.random() < options.flip:
            crop = cv2.flip(crop, 1)
        tensor = normalize(vary(crop, rng))
        if rng.random() < options.erasing:
            _erase(tensor, rng)
        return tensor

    return transform


def crop_box(
    height: int, width: int, options: AugmentConfig, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Draw the part of an image that is cut out, as PaddleClas' RandCropImage does.

    The ratio of width to height is uniform over `crop_ratio`. The area is uniform over
    `crop_scale`, of which both ends are first lowered to the largest part of that ratio which
    fits the image; so no draw fails, unlike in Inception's crop (C. Szegedy et al., "Going deeper
    with convolutions", 2015). The place is uniform.

    Returns:
        Top, left, height and width, in pixels; always inside the image and never empty.
    """
    wide = math.sqrt(rng.uniform(*options.crop_ratio))
    tall = 1 / wide
    most = min(width / height / wide**2, height / width / tall**2)
    low, high = (min(part, most) for part in options.crop_scale)
    side = math.sqrt(width * height * rng.uniform(low, high))
    box_width = min(max(int(side * wide), 1), width)
    box_height = min(max(int(side * tall), 1), height)
    top = int(rng.integers(height - box_height, endpoint=True))
    left = int(rng.integers(width - box_width, endpoint=True))
    return top, left, box_height, box_width


def _check_range(name: str, limits: tuple[float, float], most: float) -> None:
    low, high = limits
    if not 0 < low <= high <= most:
        bounds = "above 0" if most == math.inf else f"above 0, at most {most:g}"
        raise UsageError(
            f"augment.{name} is {low:g} to {high:g}; it must be two numbers {bounds}, "
            "the smaller one first",
            code="E_CONFIG",
            hint=f"leave it out, or write --set augment.{name}='[0.5, 1.0]'",
        )


def _erase(tensor: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Fill a rectangle with noise (Z. Zhong et al., "Random Erasing Data Augmentation", 2017).

    Area and shape are as in PaddleClas' recipes for Swin; the noise has the spread of normalised
    pixels. Where no rectangle fits after some attempts the image stays as it is.
    """
    channels, height, width = tensor.shape
    for _ in range(ERASING_ATTEMPTS):
        area = height * width * rng.uniform(*ERASED_AREA)
        ratio = math.exp(rng.uniform(-LOG_ERASED_RATIO, LOG_ERASED_RATIO))
        tall, wide = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < tall < height and 0 < wide < width:
            top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
            noise = rng.standard_normal((channels, tall, wide), "float32")
            tensor[:, top : top + tall, left : left + wide] = noise
            return


# ---- RandAugment -------------------------------------------------------------------------------

# Turn, shear and shift by the paper's largest amounts at level 1; a level's sign is a direction.
_MAX_DEGREES, _MAX_SHEAR, _MAX_SHIFT = 30.0, 0.3, 150 / 331
_MAX_ENHANCE = 0.9
_MAX_LOST_BITS = 4

_Vary = Callable[["NDArray[np.uint8]", "np.random.Generator"], "NDArray[np.uint8]"]


def _rand_augment(count: int, strength: float) -> _Vary:
    """Apply operations drawn at random, all of one strength.

    The operations are those of E. D. Cubuk et al., "RandAugment: Practical automated data
    augmentation with a reduced search space", 2020.
    """
    if count == 0:
        return lambda pixels, rng: pixels
    import numpy as np
    from PIL import Image

    def vary(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        image = Image.fromarray(pixels)
        for choice in rng.integers(len(_OPERATIONS), size=count):
            sign = 1 if rng.random() < 0.5 else -1
            image = _OPERATIONS[choice](image, sign * strength / 10)
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
