"""Render the pages of a PDF by PDFium (the extra `pdf`)."""

from __future__ import annotations

import contextlib
import functools
import importlib
import math
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from clsctl.errors import DataError
from clsctl.images.image_errors import check_size, translate_decoder_errors
from clsctl.images.page import Page

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PDF_SCALE = 2.0
"""Pixels per point (1/72 inch), as in PaddleX."""

# PDFium must not be entered by two threads, and its objects may be collected inside such a call.
_PDFIUM = threading.RLock()


def iter_pdf_pages(data: bytes, max_pixels: int) -> Iterator[Page]:
    """Yield the pages of a PDF; see `clsctl.images.decode.iter_pages`."""
    try:
        pdfium = importlib.import_module("pypdfium2")
    except ImportError:
        raise DataError(
            "reading PDFs needs the package pypdfium2, which is not installed",
            code="E_EXTRA_MISSING",
            hint="pip install 'clsctl[pdf]'",
        ) from None
    with _PDFIUM, translate_decoder_errors("PDF"):
        document = pdfium.PdfDocument(data)
        document.init_forms()
        count = len(document)
    if count == 0:
        raise DataError("the PDF has no pages", code="E_IMAGE_EMPTY")
    try:
        for page in range(count):
            yield Page(page, functools.partial(_render, document, page, max_pixels))
    finally:
        with _PDFIUM:
            document.close()


def _render(document: Any, number: int, max_pixels: int) -> NDArray[np.uint8]:
    import numpy as np

    with _PDFIUM, translate_decoder_errors("PDF"), contextlib.closing(document[number]) as page:
        width, height = (math.ceil(side * PDF_SCALE) for side in page.get_size())
        check_size(width, height, max_pixels)
        return np.ascontiguousarray(page.render(scale=PDF_SCALE).to_numpy()[..., 2::-1])
