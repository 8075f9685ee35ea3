"""Bring the values of 16-bit and float images to 8 bits, by the range that a model names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from clsctl.errors import DataError
from clsctl.values import ValueRange

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PERCENTILES = (0.1, 99.9)
"""Of an image's values, so that a few dead or hot pixels do not decide."""


class Span(NamedTuple):
    """The values that an image holds.

    Attributes:
        dtype: Their type, by NumPy's name; 64-bit floats count as `float32`.
        low: What nearly all of them exceed.
        high: What hardly any of them exceeds.
    """

    dtype: str
    low: float
    high: float


EIGHT_BITS = Span("uint8", 0, 255)

FULL = {"uint16": (0, 65535), "float32": (0, 1)}
"""What values are taken to span where nothing names a range; others lie within 0 to 255."""


def span_of(values: NDArray[Any]) -> Span:
    """Return the span of an image's values.

    Raises:
        DataError: Some of them are not numbers (`E_IMAGE_RANGE`).
    """
    import numpy as np

    if values.dtype == np.uint8:
        return EIGHT_BITS
    _require_numbers(values)
    low, high = np.percentile(values, PERCENTILES)
    return Span(_dtype_name(values), float(low), float(high))


def range_of(span: Span) -> ValueRange | None:
    """Return the range that shows values of this span.

    None where the usual way does, by the upper 8 bits: of 8 bits, and where the span is more than
    half of what the type is taken to hold.
    """
    black, white = FULL.get(span.dtype, (0, 255))
    within = black <= span.low and span.high <= white
    if span == EIGHT_BITS or (within and span.high - span.low >= (white - black) / 2):
        return None
    low, high = (float(f"{value:.6g}") for value in (span.low, span.high))
    return ValueRange(low, high if high > low else low + 1, span.dtype)


def to_eight_bits(values: NDArray[Any], wanted: ValueRange) -> NDArray[np.uint8]:
    """Map a range of values to 0 to 255; what lies outside becomes black or white.

    Returns:
        uint8, in the shape of the values.

    Raises:
        DataError: The values are of another type than the range's (`E_IMAGE_DEPTH`), or not all of
            them are numbers (`E_IMAGE_RANGE`).
    """
    import numpy as np

    found = _dtype_name(values)
    if found != wanted.dtype:
        raise other_dtype(found, wanted)
    _require_numbers(values)
    scaled = (values.astype(np.float32) - wanted.low) * (255 / (wanted.high - wanted.low))
    shown: NDArray[np.uint8] = np.rint(scaled.clip(0, 255)).astype(np.uint8)
    return shown


def other_dtype(found: str, wanted: ValueRange) -> DataError:
    """Return the error for values of another type than a model was trained on."""
    return DataError(
        f"its values are {found}, and the model was trained on images with values from {wanted}",
        code="E_IMAGE_DEPTH",
        hint="pass the image as it was recorded, before any conversion",
    )


def _dtype_name(values: NDArray[Any]) -> str:
    """Byte order does not count, nor do 64 bits of a float: half of them are kept."""
    return "float32" if values.dtype.kind == "f" else values.dtype.name


def _require_numbers(values: NDArray[Any]) -> None:
    import numpy as np

    if not np.isfinite(values).all():
        raise DataError(
            "some of its values are not numbers, or are infinite",
            code="E_IMAGE_RANGE",
            hint="replace them, such as by the lowest value, and save the image again",
        )
