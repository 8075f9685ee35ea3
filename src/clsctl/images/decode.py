"""Bytes -> pixels.

JPEG, PNG, BMP, WebP, PNM and Sun raster are decoded by OpenCV, TIFF by Pillow and PDF by PDFium, as
in PaddleX, so that pixels are the same to the bit; for large JPEGs see `clsctl.images.jpeg`. What
PaddleX does not read (GIF, JPEG 2000, AVIF) is decoded by Pillow. What counts is how the bytes
begin, never a file's name.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import math
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

from clsctl.errors import ClsctlError, DataError
from clsctl.images.headers import FORMATS, UNPACKED, format_of, read_header
from clsctl.images.jpeg import decode_large

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PDF_SCALE = 2.0
"""Pixels per point (1/72 inch), as in PaddleX."""

# PDFium must not be entered by two threads, and its objects may be collected inside such a call.
_PDFIUM = threading.RLock()

PILLOW = {
    "TIFF": ("TiffImagePlugin", "TiffImageFile"),
    "GIF": ("GifImagePlugin", "GifImageFile"),
    "JPEG 2000": ("Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "AVIF": ("AvifImagePlugin", "AvifImageFile"),
}

Page = tuple[int | None, Callable[[], "NDArray[np.uint8]"]]


def pages(data: bytes, max_pixels: int, draft: int = 0) -> Iterator[Page]:
    """The pages of an encoded image, each with a function that decodes it.

    Args:
        data: A whole file.
        max_pixels: Width times height above which a page is refused, before it is decoded.
        draft: Where not 0, a JPEG is decoded at a half, quarter or eighth of its size, as long as
            its short side keeps this many pixels: much faster, and other pixels.

    Yields:
        The page of a PDF or multi-page TIFF, from 0, or None for a single image; and a function
        that returns uint8 [height, width, 3], RGB, and raises DataError where it cannot. Call it
        before the iterator ends: it may read from a document that is then closed.

    Raises:
        DataError: The file as a whole cannot be read: `E_IMAGE_EMPTY`, `E_IMAGE_UNSUPPORTED`,
            `E_IMAGE_TRUNCATED`, `E_IMAGE_CORRUPT`, `E_IMAGE_TOO_LARGE` or `E_EXTRA_MISSING`.
    """
    if not data:
        raise DataError("the file is empty", code="E_IMAGE_EMPTY")
    kind = format_of(data)
    if kind is None:
        raise unsupported()
    if kind == "PDF":
        yield from _pdf_pages(data, max_pixels)
    elif kind == "TIFF":
        yield from _tiff_pages(data, max_pixels)
    elif kind in PILLOW:
        yield None, functools.partial(_with_pillow, kind, data, max_pixels)
    else:
        draft = draft if kind == "JPEG" else 0
        yield None, functools.partial(_with_opencv, kind, data, max_pixels, draft)


def from_array(array: NDArray[Any]) -> NDArray[np.uint8]:
    """The pixels of an ndarray as OpenCV and PaddleX hold images.

    Args:
        array: uint8 [H, W, 3] BGR, [H, W, 4] BGR and alpha, which is dropped, or [H, W] grey.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        DataError: Another type or shape (`E_IMAGE_ARRAY`), or no pixels (`E_IMAGE_EMPTY`).
    """
    import numpy as np

    if array.dtype != np.uint8 or not (array.ndim == 2 or array.shape[2:] in ((3,), (4,))):
        raise DataError(
            f"the array is {array.dtype} {list(array.shape)}, not uint8 [height, width, 3]",
            code="E_IMAGE_ARRAY",
            hint="pass one image an array, 0 to 255, channels last in BGR order as cv2.imread does",
        )
    if array.size == 0:
        raise DataError("the array has no pixels", code="E_IMAGE_EMPTY")
    return _grey(array) if array.ndim == 2 else np.ascontiguousarray(array[..., 2::-1])


# ---- OpenCV ------------------------------------------------------------------------------------


def _with_opencv(kind: str, data: bytes, max_pixels: int, draft: int) -> NDArray[np.uint8]:
    import cv2
    import numpy as np

    try:
        width, height, whole = read_header(kind, data)
    except ValueError:
        raise _truncated(kind) from None
    _check_size(width, height, max_pixels)
    if not whole:
        raise _truncated(kind)
    if kind == "PNM" and data[1] in b"123":
        data += b"\n"  # OpenCV wants a blank after the last number, which the format does not ask.
    flags = cv2.IMREAD_COLOR_RGB
    if kind == "WebP":  # OpenCV 4 and PaddleX do not turn WebP; OpenCV 5 would.
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
    reduced = _reduced(min(width, height), draft) if draft else 0
    if kind == "JPEG" and not reduced:
        fast = decode_large(data, width * height)
        if fast is not None:
            return fast
    try:
        pixels: Any = cv2.imdecode(np.frombuffer(data, np.uint8), reduced or flags)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise _truncated(kind) if kind in UNPACKED else _corrupt(kind)
    if reduced:
        cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)
    return cast("NDArray[np.uint8]", pixels)


def _reduced(short: int, draft: int) -> int:
    """OpenCV's flag for the smallest size that keeps the short side above `draft`; 0 for none."""
    import cv2

    flags = {
        8: cv2.IMREAD_REDUCED_COLOR_8,
        4: cv2.IMREAD_REDUCED_COLOR_4,
        2: cv2.IMREAD_REDUCED_COLOR_2,
    }
    return next((flag for part, flag in flags.items() if draft * part <= short), 0)


# ---- Pillow ------------------------------------------------------------------------------------


def _with_pillow(kind: str, data: bytes, max_pixels: int) -> NDArray[np.uint8]:
    from PIL import ImageOps

    with _damage(kind):
        image = _open_pillow(kind, data)
        _check_size(image.width, image.height, max_pixels)
        return _rgb(ImageOps.exif_transpose(image))


def _tiff_pages(data: bytes, max_pixels: int) -> Iterator[Page]:
    with _damage("TIFF"):
        image = _open_pillow("TIFF", data)
        count = image.n_frames
    for page in range(count):
        number = page if count > 1 else None
        yield number, functools.partial(_tiff_page, image, page, max_pixels)


def _tiff_page(image: Any, page: int, max_pixels: int) -> NDArray[np.uint8]:
    with _damage("TIFF"):
        image.seek(page)
        _check_size(image.width, image.height, max_pixels)
        pixels = _rgb(image)
        # Pillow turns white-is-zero around where there are 8 bits, not where there are 16.
        inverted = image.mode.startswith("I;16") and image.tag_v2.get(262) == 0
        return 255 - pixels if inverted else pixels


def _open_pillow(kind: str, data: bytes) -> Any:
    """Straight from the format's class; Image.open tries every format under a limit of its own."""
    module, name = PILLOW[kind]
    try:
        plugin = importlib.import_module(f"PIL.{module}")
    except ImportError:  # an older Pillow
        raise unsupported() from None
    return getattr(plugin, name)(io.BytesIO(data))


def _rgb(image: Any) -> NDArray[np.uint8]:
    """Sixteen bits become their high byte, as in a PNG; Pillow would clip them at 255."""
    import numpy as np

    if image.mode.startswith("I;16"):
        return _grey((np.asarray(image) >> 8).astype(np.uint8))
    return np.array(image.convert("RGB"))


def _grey(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return array[:, :, None].repeat(3, axis=2)


@contextlib.contextmanager
def _damage(kind: str) -> Iterator[None]:
    try:
        yield
    except ClsctlError:
        raise
    except Exception as error:  # noqa: BLE001 - damaged bytes may raise anything in a decoder
        raise _truncated(kind) if "truncated" in str(error) else _corrupt(kind, error) from None


# ---- PDFium ------------------------------------------------------------------------------------


def _pdf_pages(data: bytes, max_pixels: int) -> Iterator[Page]:
    try:
        pdfium = importlib.import_module("pypdfium2")
    except ImportError:
        raise DataError(
            "reading PDFs needs the package pypdfium2, which is not installed",
            code="E_EXTRA_MISSING",
            hint="pip install 'clsctl[pdf]'",
        ) from None
    with _PDFIUM, _damage("PDF"):
        document = pdfium.PdfDocument(data)
        document.init_forms()
        count = len(document)
    if count == 0:
        raise DataError("the PDF has no pages", code="E_IMAGE_EMPTY")
    try:
        for page in range(count):
            yield page, functools.partial(_render, document, page, max_pixels)
    finally:
        with _PDFIUM:
            document.close()


def _render(document: Any, number: int, max_pixels: int) -> NDArray[np.uint8]:
    import numpy as np

    with _PDFIUM, _damage("PDF"), contextlib.closing(document[number]) as page:
        width, height = (math.ceil(side * PDF_SCALE) for side in page.get_size())
        _check_size(width, height, max_pixels)
        return np.ascontiguousarray(page.render(scale=PDF_SCALE).to_numpy()[..., 2::-1])


# ---- what can be wrong -------------------------------------------------------------------------


def unsupported() -> DataError:
    """The error for bytes that begin like no format that is read here."""
    return DataError(
        "this is not an image, or not in a format that is read",
        code="E_IMAGE_UNSUPPORTED",
        hint=f"formats: {', '.join(FORMATS)}",
    )


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width <= 0 or height <= 0:
        raise DataError("the image has no pixels", code="E_IMAGE_EMPTY")
    if width * height > max_pixels:
        raise DataError(
            f"the image is {width} x {height} pixels, more than the limit of {max_pixels:,}",
            code="E_IMAGE_TOO_LARGE",
            hint="if you trust it, set CLSCTL_MAX_PIXELS to a higher number of pixels",
        )


def _truncated(kind: str) -> DataError:
    return DataError(f"the {kind} file is cut short", code="E_IMAGE_TRUNCATED")


def _corrupt(kind: str, reason: object = "") -> DataError:
    detail = f": {reason}" if str(reason) else ""
    return DataError(
        f"the {kind} file is damaged, or of a kind that cannot be decoded{detail}",
        code="E_IMAGE_CORRUPT",
    )
