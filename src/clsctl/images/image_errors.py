"""What can be wrong with an image; the errors get its name in `clsctl.images.read`."""

from __future__ import annotations

from clsctl.errors import DataError
from clsctl.images.formats import FORMATS
from clsctl.installation import install_hint


def empty() -> DataError:
    """Return the error for a file without bytes."""
    return DataError("the file is empty", code="E_IMAGE_EMPTY")


def unsupported() -> DataError:
    """Return the error for bytes that begin like no format that is read here."""
    return DataError(
        "this is not an image, or not in a format that is read",
        code="E_IMAGE_UNSUPPORTED",
        hint=f"formats: {', '.join(FORMATS)}",
    )


def truncated(kind: str) -> DataError:
    """Return the error for a file that ends too early."""
    return DataError(f"the {kind} file is cut short", code="E_IMAGE_TRUNCATED")


def corrupt(kind: str, reason: object = "") -> DataError:
    """Return the error for a file that its decoder refuses."""
    detail = f": {reason}" if str(reason) else ""
    return DataError(
        f"the {kind} file is damaged, or of a kind that cannot be decoded{detail}",
        code="E_IMAGE_CORRUPT",
    )


def needs_package(kind: str, package: str) -> DataError:
    """Return the error for a format whose decoder is not installed."""
    return DataError(
        f"reading {kind} needs the package {package}, which is not installed",
        code="E_EXTRA_MISSING",
        hint=install_hint(package),
    )


def too_many_bytes(limit: int) -> DataError:
    """Return the error for a file or download that is not read to its end."""
    reason = f"it has more bytes than the limit of {limit:,}"
    return DataError(reason, code="E_IMAGE_TOO_LARGE")


def too_many_pages(kind: str, limit: int) -> DataError:
    """Return the error that stands for all pages of a document behind the limit."""
    return DataError(
        f"the {kind} has more pages than the limit of {limit:,}; the others are left out",
        code="E_IMAGE_PAGES",
        hint="if you trust it, set CLSCTL_MAX_PAGES to a higher number",
    )


def too_slow(kind: str, seconds: int) -> DataError:
    """Return the error for a decoder that was stopped."""
    return DataError(
        f"the {kind} was not decoded within {seconds} s, and was given up",
        code="E_INPUT_TIMEOUT",
        hint="if you trust it, allow more seconds with --input-timeout",
    )


def too_much_memory(kind: str) -> DataError:
    """Return the error for an image whose decoder takes too much for what the file is."""
    return DataError(
        f"decoding this {kind} takes far more memory than a file of its size should",
        code="E_IMAGE_TOO_LARGE",
        hint="if you trust it, set CLSCTL_MAX_PIXELS to a higher number of pixels, which allows "
        "more memory, too",
    )


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Raise DataError where an image has no pixels, or more than the limit."""
    if width <= 0 or height <= 0:
        raise DataError("the image has no pixels", code="E_IMAGE_EMPTY")
    if width * height > max_pixels:
        raise DataError(
            f"the image is {width} x {height} pixels, more than the limit of {max_pixels:,}",
            code="E_IMAGE_TOO_LARGE",
            hint="if you trust it, set CLSCTL_MAX_PIXELS to a higher number of pixels",
        )
