"""What can be wrong with an image; the errors get its name in `clsctl.images.read`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from clsctl.errors import ClsctlError, DataError
from clsctl.images.headers import FORMATS


def unsupported() -> DataError:
    """Return the error for bytes that begin like no format that is read here."""
    return DataError(
        "this is not an image, or not in a format that is read",
        code="E_IMAGE_UNSUPPORTED",
        hint=f"formats: {', '.join(FORMATS)}",
    )


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Raise DataError where an image has no pixels, or more than are decoded."""
    if width <= 0 or height <= 0:
        raise DataError("the image has no pixels", code="E_IMAGE_EMPTY")
    if width * height > max_pixels:
        raise DataError(
            f"the image is {width} x {height} pixels, more than the limit of {max_pixels:,}",
            code="E_IMAGE_TOO_LARGE",
            hint="if you trust it, set CLSCTL_MAX_PIXELS to a higher number of pixels",
        )


def truncated(kind: str) -> DataError:
    """Return the error for a file that ends too soon."""
    return DataError(f"the {kind} file is cut short", code="E_IMAGE_TRUNCATED")


def corrupt(kind: str, reason: object = "") -> DataError:
    """Return the error for a file that no decoder understands."""
    detail = f": {reason}" if str(reason) else ""
    return DataError(
        f"the {kind} file is damaged, or of a kind that cannot be decoded{detail}",
        code="E_IMAGE_CORRUPT",
    )


@contextlib.contextmanager
def translate_decoder_errors(kind: str) -> Iterator[None]:
    """Turn whatever a decoder raises into DataError (`E_IMAGE_TRUNCATED`, `E_IMAGE_CORRUPT`)."""
    try:
        yield
    except ClsctlError:
        raise
    except Exception as error:  # noqa: BLE001 - damaged bytes may raise anything in a decoder
        raise truncated(kind) if "truncated" in str(error) else corrupt(kind, error) from None
