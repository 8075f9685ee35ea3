"""uint8 pixels -> the network's input: the only preprocessing, for predict, eval and calibration.

It follows the `transform_ops` of an inference.yml and gives what PaddleX gives, to the bit.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from clsctl.errors import DataError, ModelError, unknown_name
from clsctl.settings import Settings
from clsctl.values import Preprocessing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.images.pillow_resize import Box

    Pixels = NDArray[Any]
    Size = tuple[int, int]
    Step = Callable[[Pixels], Pixels]
    Resample = Callable[[Pixels, Size, Box], Pixels]

Preprocessor = Callable[["NDArray[np.uint8]"], "NDArray[np.float32]"]

MAX_PIXELS = Settings().max_pixels

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


def compile_transforms(ops: Sequence[Mapping[str, Any]]) -> Preprocessor:
    """Turn the `PreProcess.transform_ops` of an inference.yml into a function.

    Args:
        ops: One-entry mappings of a name to its arguments: `ResizeImage` and `CropImage`, in any
            order and number, then `NormalizeImage` and `ToCHWImage`. `DecodeImage` may precede
            them and changes nothing.

    Returns:
        A function uint8 [H, W, 3] RGB -> float32 [3, S, S], contiguous. It raises DataError where
        an image is smaller than the crop (`E_IMAGE_TOO_SMALL`), or so long and thin that it would
        pass the default pixel limit when resized (`E_IMAGE_TOO_LARGE`).

    Raises:
        ModelError: An operation or argument is unknown (`E_TRANSFORM_UNKNOWN`), or is used in a
            way that cannot work (`E_TRANSFORM_INVALID`).
    """
    names = [name for op in ops for name in op]
    if names[-2:] != ["NormalizeImage", "ToCHWImage"] or names.count("NormalizeImage") > 1:
        raise _invalid("transform_ops must end with NormalizeImage and ToCHWImage")
    # NormalizeImage already writes channels first, so ToCHWImage adds no step.
    built = [step for op in ops for name in op if (step := _build(name, op[name] or {}))]
    steps: list[Step] = functools.reduce(_joined, built, [])

    def preprocess(pixels: Pixels) -> NDArray[np.float32]:
        return functools.reduce(lambda image, step: step(image), steps, pixels)

    return preprocess


def describe(preprocessing: Preprocessing) -> list[dict[str, Any]]:
    """The `transform_ops` that stand for it, in PaddleX's words.

    Only `CropImage: {fraction: ...}`, which a `crop_fraction` becomes, is clsctl's own.
    """
    side, backend = preprocessing.crop, preprocessing.backend
    name = preprocessing.interpolation
    how = {"interpolation": PADDLEX_NAMES[backend].get(name, name), "backend": backend}
    if (name, backend) == ("bilinear", "cv2"):  # the default
        how = {}
    if preprocessing.crop_fraction:
        crop: dict[str, Any] = {"CropImage": {"fraction": preprocessing.crop_fraction}}
        spatial = [crop, {"ResizeImage": {"size": side, **how}}]
    else:
        resize: dict[str, Any] = {"resize_short": preprocessing.resize_short, **how}
        spatial = [{"ResizeImage": resize}, {"CropImage": {"size": side}}]
        spatial = spatial if preprocessing.resize_short else spatial[1:]
    normalize: dict[str, Any] = {"scale": 1 / 255, "order": "", "channel_num": 3}
    normalize |= {"mean": list(preprocessing.mean), "std": list(preprocessing.std)}
    return [*spatial, {"NormalizeImage": normalize}, {"ToCHWImage": None}]


# ---- operations --------------------------------------------------------------------------------


def _decode(to_rgb: bool = True, channel_first: bool = False, to_np: bool = False) -> None:
    """Pixels are decoded before they come here."""
    if not to_rgb or channel_first:
        raise ValueError("only RGB with channels last can be read")


def _resize(
    resize_short: int | None = None,
    size: int | Sequence[int] | None = None,
    interpolation: str | None = None,
    backend: str = "cv2",
) -> Step:
    return _Resize(_target(resize_short, size), resampler(backend, interpolation))


def _whole(width: int, height: int) -> Box:
    return 0, 0, width, height


@dataclass(frozen=True, slots=True)
class _Resize:
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
            return _cut(pixels, self.box_of(*target))
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
    """Width and height after resizing, by width and height before it."""
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
    """Width and height."""
    width, height = (size, size) if isinstance(size, int) else size
    if min(width, height) < 1:
        raise ValueError(f"{size} is no size in pixels")
    return width, height


def resampler(backend: str, name: str | None) -> Resample:
    """A function that resizes uint8 [H, W, 3] to a width and height, and gives a box of the result.

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
    return lambda pixels, size, box: _cut(cv2.resize(pixels, size, interpolation=code), box)


def _with_pillow(constant: str) -> Resample:
    from PIL import Image

    from clsctl.images.pillow_resize import resized_part

    return functools.partial(resized_part, resample=Image.Resampling[constant])


def _crop(size: int | Sequence[int] = 224, fraction: float | None = None) -> Step:
    if fraction:
        return _Crop(functools.partial(_fraction_box, fraction))
    return _Crop(functools.partial(_centre_box, _pair(size)))


@dataclass(frozen=True, slots=True)
class _Crop:
    """Keep a box, which depends on the image's width and height."""

    box_of: Callable[[int, int], Box]

    def __call__(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        return _cut(pixels, self.box_of(width, height))


def _cut(pixels: Pixels, box: Box) -> Pixels:
    left, top, right, bottom = box
    return pixels[top:bottom, left:right]


def _joined(steps: list[Step], step: Step) -> list[Step]:
    """The steps with another one, which is done by a resize before it where that is a crop."""
    last = steps[-1] if steps else None
    if isinstance(step, _Crop) and isinstance(last, _Resize) and last.box_of is _whole:
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
    """The centre square as TensorFlow's EfficientNet cuts it, an odd pixel left on top and left."""
    side = max(1, int(fraction * min(height, width)))
    left, top = (width - side + 1) // 2, (height - side + 1) // 2
    return left, top, left + side, top + side


def _normalize(
    mean: float | Sequence[float] = (0.485, 0.456, 0.406),
    std: float | Sequence[float] = (0.229, 0.224, 0.225),
    scale: float | str = 1 / 255,
    order: str = "",
    channel_num: int = 3,
) -> Step:
    """`pixel * (scale / std) - mean / std` in float32, looked up: a pixel has 256 values only."""
    if order not in ("", "hwc") or channel_num != 3:
        raise ValueError("only three channels, last in order, can be normalised")
    import cv2
    import numpy as np

    factor = _number(scale)
    tables = np.tile(np.arange(256, dtype=np.float32), (3, 1))
    for table, centre, spread in zip(tables, _triple(mean), _triple(std), strict=True):
        table *= factor / spread
        table += -centre / spread

    def normalize(pixels: Pixels) -> NDArray[np.float32]:
        planes = np.empty((3, *pixels.shape[:2]), np.float32)
        for channel, table, plane in zip(cv2.split(pixels), tables, planes, strict=True):
            cv2.LUT(channel, table, dst=plane)
        return planes

    return normalize


def _triple(value: float | Sequence[float]) -> list[float]:
    return [float(item) for item in ([value] * 3 if isinstance(value, (int, float)) else value)]


def _number(value: float | str) -> float:
    """PaddleClas writes a scale as a division, such as `1.0/255.0`."""
    above, _, below = str(value).partition("/")
    return float(above) / float(below or 1)


def _to_chw() -> None:
    """See `compile_transforms`."""


_OPS: dict[str, Callable[..., Step | None]] = {
    "DecodeImage": _decode,
    "ResizeImage": _resize,
    "CropImage": _crop,
    "NormalizeImage": _normalize,
    "ToCHWImage": _to_chw,
}


def _build(name: str, arguments: Mapping[str, Any]) -> Step | None:
    if name not in _OPS:
        raise _unknown(unknown_name("operation", name, _OPS))
    known = inspect.signature(_OPS[name]).parameters
    for argument in arguments:
        if argument not in known:
            raise _unknown(unknown_name(f"argument of {name}", argument, known))
    try:
        return _OPS[name](**arguments)
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise _invalid(f"{name}: {error}") from None


def _unknown(reason: str) -> ModelError:
    return ModelError(
        f"the model's preprocessing cannot be followed: {reason}",
        code="E_TRANSFORM_UNKNOWN",
        hint="see PreProcess.transform_ops in the model's inference.yml",
    )


def _invalid(reason: str) -> ModelError:
    return ModelError(
        f"the model's preprocessing cannot be followed: {reason}",
        code="E_TRANSFORM_INVALID",
        hint="see PreProcess.transform_ops in the model's inference.yml",
    )
