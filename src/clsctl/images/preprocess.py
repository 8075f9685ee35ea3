"""Turn uint8 pixels into the network's input: the only preprocessing, for predict, eval and train.

It follows the `transform_ops` of an inference.yml and gives what PaddleX gives, to the bit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

from clsctl.errors import ModelError, unknown_name
from clsctl.images.resize.resample import PADDLEX_NAMES
from clsctl.images.resize.spatial import crop_step, join_step, resize_step
from clsctl.images.transform_arguments import (
    CropImage,
    DecodeImage,
    NormalizeImage,
    ResizeImage,
    Scale,
    ToCHWImage,
)
from clsctl.schema.errors import SchemaError, label, one_line
from clsctl.schema.read import read
from clsctl.values import Preprocessing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.images.resize.resample import Pixels
    from clsctl.images.resize.spatial import Step
    from clsctl.settings import Settings

Preprocessor = Callable[["NDArray[np.uint8]"], "NDArray[np.float32]"]


def compile_transforms(ops: Sequence[Mapping[str, Any]]) -> Preprocessor:
    """Turn the `PreProcess.transform_ops` of an inference.yml into a function.

    Args:
        ops: One-entry mappings of a name to its arguments: `ResizeImage` and `CropImage`, in any
            order and number, then `NormalizeImage` and `ToCHWImage`. `DecodeImage` may precede
            them: what it says counts where images are read (see `image_settings`).

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
    built = [step for op in ops for name in op if (step := _build(name, op[name]))]
    steps: list[Step] = functools.reduce(join_step, built, [])

    def preprocess(pixels: Pixels) -> NDArray[np.float32]:
        return functools.reduce(lambda image, step: step(image), steps, pixels)

    return preprocess


def image_settings(ops: Sequence[Mapping[str, Any]], settings: Settings) -> Settings:
    """Return the settings by which images are read for a model with these `transform_ops`.

    They say how images of more than 8 bits are brought to 8 before any other operation.
    """
    steps = (read(DecodeImage, op["DecodeImage"] or {}) for op in ops if "DecodeImage" in op)
    ranges = [step.value_range for step in steps if step.value_range]
    return replace(settings, value_range=ranges[0] if ranges else None)


def compile_spatial(ops: Sequence[Mapping[str, Any]]) -> Callable[[Pixels], Pixels]:
    """Turn what of `PreProcess.transform_ops` resizes and crops into a function.

    Returns:
        A function uint8 [H, W, 3] -> uint8 [S, S, 3]; its errors and those of this function are
        those of `compile_transforms`.
    """
    built = [_build(name, op[name]) for op in ops for name in op if name in _SPATIAL]
    steps: list[Step] = functools.reduce(join_step, filter(None, built), [])
    return lambda pixels: functools.reduce(lambda image, step: step(image), steps, pixels)


def transform_ops(preprocessing: Preprocessing) -> list[dict[str, Any]]:
    """Return the `transform_ops` that stand for it, in PaddleX's words.

    clsctl's own are `CropImage: {fraction: ...}`, which a `crop_fraction` becomes, and
    `DecodeImage: {value_range: ...}`: PaddleX refuses them.
    """
    backend, name = preprocessing.backend, preprocessing.interpolation
    how = {"interpolation": PADDLEX_NAMES[backend].get(name, name), "backend": backend}
    if (name, backend) == ("bilinear", "cv2"):  # the default
        how = {}
    deep = preprocessing.value_range
    decode = [{"DecodeImage": {"value_range": asdict(deep)}}] if deep else []
    normalize: dict[str, Any] = {"scale": 1 / 255, "order": "", "channel_num": 3}
    normalize |= {"mean": list(preprocessing.mean), "std": list(preprocessing.std)}
    return [
        *decode,
        *_spatial_ops(preprocessing, how),
        {"NormalizeImage": normalize},
        {"ToCHWImage": None},
    ]


def _spatial_ops(preprocessing: Preprocessing, how: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the operations that resize and crop; two numbers are width and height."""
    height, width = preprocessing.input_size
    short, fraction = preprocessing.resize_short, preprocessing.crop_fraction
    if not preprocessing.is_square:
        scale = short / min(height, width)
        whole = [round(width * scale), round(height * scale)]
        return [{"ResizeImage": {"size": whole, **how}}, {"CropImage": {"size": [width, height]}}]
    if fraction:
        return [{"CropImage": {"fraction": fraction}}, {"ResizeImage": {"size": height, **how}}]
    crop = {"CropImage": {"size": height}}
    return [{"ResizeImage": {"resize_short": short, **how}}, crop] if short else [crop]


# ---- operations --------------------------------------------------------------------------------


def _decode(wanted: DecodeImage) -> None:
    """Accept the decoding that has taken place before."""
    if not wanted.to_rgb or wanted.channel_first:
        raise ValueError("only RGB with channels last can be read")


def _resize(wanted: ResizeImage) -> Step:
    return resize_step(wanted.resize_short, wanted.size, wanted.interpolation, wanted.backend)


def _crop(wanted: CropImage) -> Step:
    return crop_step(wanted.size, wanted.fraction)


def _normalize(wanted: NormalizeImage) -> Step:
    """Compute `pixel * (scale / std) - mean / std` in float32, from a table of 256 values."""
    if wanted.order not in ("", "hwc") or wanted.channel_num != 3:
        raise ValueError("only three channels, last in order, can be normalised")
    import cv2
    import numpy as np

    factor = _number(wanted.scale)
    tables = np.tile(np.arange(256, dtype=np.float32), (3, 1))
    for table, centre, spread in zip(
        tables, _triple(wanted.mean), _triple(wanted.std), strict=True
    ):
        table *= factor / spread
        table += -centre / spread

    def normalize(pixels: Pixels) -> NDArray[np.float32]:
        planes = np.empty((3, *pixels.shape[:2]), np.float32)
        for channel, table, plane in zip(cv2.split(pixels), tables, planes, strict=True):
            cv2.LUT(channel, table, dst=plane)
        return planes

    return normalize


def _triple(value: float | tuple[float, ...]) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,) * 3


def _number(value: float | str) -> float:
    """Parse a scale, which PaddleClas writes as a division, such as `1.0/255.0`."""
    numerator, _, denominator = str(value).partition("/")
    return read(Scale, float(numerator) / float(denominator or 1))


def _to_chw(wanted: ToCHWImage) -> None:
    """Add no step; see `compile_transforms`."""


_SPATIAL = ("ResizeImage", "CropImage")
_OPS: Mapping[str, tuple[type[Any], Callable[[Any], Step | None]]] = {
    "DecodeImage": (DecodeImage, _decode),
    "ResizeImage": (ResizeImage, _resize),
    "CropImage": (CropImage, _crop),
    "NormalizeImage": (NormalizeImage, _normalize),
    "ToCHWImage": (ToCHWImage, _to_chw),
}


def _build(name: str, arguments: object) -> Step | None:
    """Build an operation, of which nothing or null means that it has no arguments."""
    if name not in _OPS:
        raise _unknown(unknown_name("operation", name, _OPS))
    kind, build = _OPS[name]
    known = [item.name for item in fields(kind)]
    if isinstance(arguments, Mapping):
        for argument in arguments:
            if argument not in known:
                raise _unknown(unknown_name(f"argument of {name}", label(str(argument)), known))
    try:
        return build(read(kind, {} if arguments is None else arguments))
    except (SchemaError, ValueError, ArithmeticError) as error:
        raise _invalid(f"{name}: {one_line(str(error))}") from None


def _unknown(reason: str) -> ModelError:
    return _not_followed(reason, "E_TRANSFORM_UNKNOWN")


def _invalid(reason: str) -> ModelError:
    return _not_followed(reason, "E_TRANSFORM_INVALID")


def _not_followed(reason: str, code: str) -> ModelError:
    return ModelError(
        f"the model's preprocessing cannot be followed: {reason}",
        code=code,
        hint="see PreProcess.transform_ops in the model's inference.yml",
    )
