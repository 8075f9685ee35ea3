"""Hold a page of an image file until it is decoded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from clsctl.images.value_range import Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Warn = Callable[[str], None]
"""Receives what is wrong with an image although it can be decoded."""


def ignore(reason: str) -> None:
    """Take no notice of what is wrong with an image."""


class Page(NamedTuple):
    """A page of a PDF or multi-page TIFF, or a single image.

    Attributes:
        number: From 0; None for a single image.
        decode: Returns uint8 [height, width, 3], RGB, or raises DataError. Call it before the next
            page is asked for: it may read from a document that is then closed.
        span: Returns which values it holds; likewise.
    """

    number: int | None
    decode: Callable[[], NDArray[np.uint8]]
    span: Callable[[], Span]
