"""Declare what the operations of preprocessing take: the names are PaddleX's and PaddleClas's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from clsctl.schema.constraints import Length, Range
from clsctl.values import ValueRange

MAX_SIDE = 4096
"""Pixels of a side after preprocessing; no network for classification takes more than 600."""

Side = Annotated[int, Range(1, MAX_SIDE, f"a size in pixels from 1 to {MAX_SIDE}")]
Sides: TypeAlias = Side | tuple[Side, Side]
Word = Annotated[str, Length(0, 100)]
Centre = Annotated[float, Range(-1e6, 1e6)]
Spread = Annotated[float, Range(1e-6, 1e6, "a number above 0")]
Scale = Annotated[float, Range(1e-6, 1e6, "a number above 0")]


@dataclass(frozen=True, slots=True)
class DecodeImage:
    to_rgb: bool = True
    channel_first: bool = False
    to_np: bool = False
    value_range: ValueRange | None = None


@dataclass(frozen=True, slots=True)
class ResizeImage:
    resize_short: Side | None = None
    size: Sides | None = None
    interpolation: Word | None = None
    backend: Word = "cv2"


@dataclass(frozen=True, slots=True)
class CropImage:
    size: Sides = 224
    fraction: Annotated[float, Range(0.01, 1)] | None = None


@dataclass(frozen=True, slots=True)
class NormalizeImage:
    """Per channel; a text may write the scale as a division, such as `1.0/255.0`."""

    mean: Centre | tuple[Centre, Centre, Centre] = (0.485, 0.456, 0.406)
    std: Spread | tuple[Spread, Spread, Spread] = (0.229, 0.224, 0.225)
    scale: Scale | Word = 1 / 255
    order: Word = ""
    channel_num: int = 3


@dataclass(frozen=True, slots=True)
class ToCHWImage:
    """It takes nothing."""
