"""Render the pages of PDFs by PDFium: in the decoding process, nowhere else.

A PDF is a program: two kilobytes of it can draw for years, which only the end of a process stops.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import math
from collections.abc import Iterator
from typing import Any

from clsctl.errors import DataError
from clsctl.images.image_errors import check_size, needs_package
from clsctl.images.sandbox.raw_pixels import RawPage, RawPixels, raw_of_image

SCALE = 2.0
"""Pixels per point (1/72 inch), as in PaddleX."""


def iter_pdf_pages(data: bytes, max_pixels: int) -> Iterator[RawPage]:
    """Yield each page's number and a function that renders it.

    Whatever a damaged file makes PDFium raise is raised.
    """
    try:
        pdfium = importlib.import_module("pypdfium2")
    except ImportError:
        raise needs_package("PDFs", "pypdfium2") from None
    document = pdfium.PdfDocument(data)
    document.init_forms()
    if len(document) == 0:
        raise DataError("the PDF has no pages", code="E_IMAGE_EMPTY")
    for number in range(len(document)):
        yield RawPage(number, functools.partial(_render, document, number, max_pixels))


def _render(document: Any, number: int, max_pixels: int) -> RawPixels:
    with contextlib.closing(document[number]) as page:
        width, height = (math.ceil(side * SCALE) for side in page.get_size())
        check_size(width, height, max_pixels)
        image = page.render(scale=SCALE).to_pil()
        return raw_of_image(image)
