"""Vary training images at random, and preprocess them for the network.

The base is PaddleClas' recipe: a random part of the image (`crop_box`), resized to the network's
input, flipped half the time and normalised exactly as in prediction. On request RandAugment comes
before normalisation and random erasing after it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from clsctl.errors import UsageError
from clsctl.images.preprocess import compile_transforms, transform_ops
from clsctl.images.resize.resample import resampler
from clsctl.loading.rand_augment import rand_augment
from clsctl.schema.constraints import Fraction, NonNegativeInt, Range
from clsctl.schema.layers import key
from clsctl.values import Preprocessing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.loading.loader import Transform

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
    random_strength: bool = key(
        False, "Up to that strength; TrivialAugment with randaugment=1 and strength=10"
    )
    erasing: Fraction = key(0.0, "Share of the images of which a part is erased")


def train_transform(preprocessing: Preprocessing, options: AugmentConfig) -> Transform:
    """Build the training counterpart of a model's preprocessing.

    Args:
        preprocessing: Gives the size, the library and interpolation, the mean and deviation.

    Returns:
        A function of uint8 [H, W, 3] RGB and random numbers -> float32 [3, H, W], safe to call from
        several threads.

    Raises:
        UsageError: A range of the options is empty or out of bounds (`E_CONFIG`).
    """
    import cv2

    _check_range("crop_scale", options.crop_scale, 1)
    _check_range("crop_ratio", options.crop_ratio, math.inf)
    size = preprocessing.input_size[::-1]
    whole = (0, 0, *size)
    resample = resampler(preprocessing.backend, preprocessing.interpolation)
    normalize = compile_transforms(transform_ops(preprocessing)[-2:])
    vary = rand_augment(options.randaugment, options.strength, options.random_strength)

    def transform(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
        tall, wide = pixels.shape[:2]
        aspect = 1 if preprocessing.is_square else wide / tall
        top, left, height, width = crop_box(tall, wide, options, rng, aspect)
        crop: Any = resample(pixels[top : top + height, left : left + width], size, whole)
        if rng.random() < options.flip:
            crop = cv2.flip(crop, 1)
        tensor = normalize(vary(crop, rng))
        if rng.random() < options.erasing:
            _erase(tensor, rng)
        return tensor

    return transform


def crop_box(
    height: int,
    width: int,
    options: AugmentConfig,
    rng: np.random.Generator,
    aspect: float = 1,
) -> tuple[int, int, int, int]:
    """Draw the part of an image that is cut out, as PaddleClas' RandCropImage does.

    The ratio of width to height is uniform over `crop_ratio`. The area is uniform over
    `crop_scale`, of which both ends are first lowered to the largest part of that ratio which
    fits the image; so no draw fails, unlike in Inception's crop (C. Szegedy et al., "Going deeper
    with convolutions", 2015). The place is uniform.

    Args:
        aspect: What the ratio is relative to: 1, or the image's own ratio of width to height where
            the image is brought to other proportions in prediction, too.

    Returns:
        Top, left, height and width, in pixels; always inside the image and never empty.
    """
    wide = math.sqrt(rng.uniform(*options.crop_ratio) * aspect)
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
