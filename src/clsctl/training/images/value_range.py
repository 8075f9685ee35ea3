"""Find out how images of more than 8 bits are brought to 8, from the training images' values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.console.messages import note
from clsctl.datasets.samples import located
from clsctl.errors import ClsctlError, UsageError
from clsctl.images.read import read_span
from clsctl.images.value_range import EIGHT_BITS, Span, range_of
from clsctl.values import ValueRange

if TYPE_CHECKING:
    from clsctl.datasets.samples import Sample
    from clsctl.settings import Settings
    from clsctl.training.config.train_config import ValueRangeChoice

SAMPLED = 100
"""Training images that are looked at, spread evenly over all of them."""

PERCENT = (1, 99)
"""Of their lowest and highest values, so that an odd image does not decide."""


def find_value_range(
    samples: Sequence[Sample], root: Path, settings: Settings, choice: ValueRangeChoice
) -> ValueRange | None:
    """Determine which values the network sees as black and as white, and say so.

    None are needed where the images have 8 bits, and where 16 bits or fractions are used to more
    than half, so that the usual way, by the high byte, shows them well: other programs can then
    run the model, too.

    Raises:
        UsageError: A range is set, and the images have 8 bits or values of several types
            (`E_CONFIG`).
        DataError: An image cannot be read.
    """
    if choice == "off":
        return None
    chosen = samples[:: max(1, len(samples) // SAMPLED)]
    spans = [_span(sample, root, settings) for sample in chosen]
    types = sorted({span.dtype for span in spans})
    if choice != "auto":
        return _requested(choice, types)
    if types == [EIGHT_BITS.dtype]:
        return None
    if len(types) > 1:
        note(f"images have values of several types, {', '.join(types)}: of each 8 bits count")
        return None
    return _usual(types[0], spans)


def _span(sample: Sample, root: Path, settings: Settings) -> Span:
    try:
        return read_span(root / sample.path, settings)
    except ClsctlError as error:
        raise located(error, sample) from None


def _requested(limits: tuple[float, float], types: Sequence[str]) -> ValueRange:
    if len(types) > 1 or types[0] == EIGHT_BITS.dtype:
        raise UsageError(
            f"data.value_range is set, and the training images have values of {', '.join(types)}",
            code="E_CONFIG",
            hint="it is for images that all have 16 bits, or all floats; leave it out",
        )
    try:
        return ValueRange(*limits, types[0])
    except ValueError as error:
        raise UsageError(
            f"data.value_range: {error}",
            code="E_CONFIG",
            hint="write --set data.value_range='[0, 4095]'",
        ) from None


def _usual(dtype: str, spans: Sequence[Span]) -> ValueRange | None:
    """Take nearly the lowest and the highest value of all, unless they span enough as they are."""
    import numpy as np

    low = np.percentile([span.low for span in spans], PERCENT[0])
    high = np.percentile([span.high for span in spans], PERCENT[1])
    found = range_of(Span(dtype, float(low), float(high)))
    if found is None:
        note(f"images have {dtype} values, which span what 8 bits show: the upper 8 bits count")
    else:
        note(
            f"images have more than 8 bits: the network sees values from {found} as black to "
            "white (data.value_range)"
        )
    return found
