"""Read what was found: each image with its pixels, or with the error that says why there are none.

Here, where an image's name is known, it is put before the message of every error about it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.errors import ClsctlError, DataError, internal_error
from clsctl.images.decode import from_array, iter_pages
from clsctl.images.fetch import download, read_file
from clsctl.images.page import Page, Warn, ignore
from clsctl.images.value_range import Span, span_of
from clsctl.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.images.preprocess import Preprocessor
    from clsctl.images.sources import Source


@dataclass(frozen=True, slots=True)
class InputImage:
    """One image on its way to the network, or the reason why there is none.

    Attributes:
        input_path: What the user passed: a path, a URL, or `array[3]` for the fourth ndarray.
        page_index: Page of a PDF or multi-page TIFF, from 0; None for a single image.
        pixels: uint8 [height, width, 3], RGB, EXIF orientation applied; None after an error, and
            once they were preprocessed.
        error: Why the image cannot be used; None where it can.
        warnings: What is wrong with it although it can be used.
        file: Where the file is; None for what came from elsewhere.
    """

    input_path: str
    page_index: int | None = None
    pixels: NDArray[np.uint8] | None = None
    error: ClsctlError | None = None
    warnings: tuple[str, ...] = ()
    file: Path | None = None


@contextmanager
def naming(input_path: str, page_index: int | None = None) -> Iterator[None]:
    """Put the image's name, and the number of its page, before the message of an error.

    A bug that the image brings out is an error, too, and ends nothing else.
    """
    name = input_path if page_index is None else f"{input_path}, page {page_index + 1}"
    try:
        yield
    except ClsctlError as error:
        raise type(error)(f"{name}: {error.message}", code=error.code, hint=error.hint) from None
    except MemoryError:
        raise DataError(f"{name}: there is no memory left for it", code="E_MEMORY") from None
    except Exception as error:  # noqa: BLE001 - whatever one image raises is that image's
        raise internal_error(name, error) from None


def read(source: Source, settings: Settings) -> Iterator[InputImage]:
    """Read one source; may be called from any thread.

    Pages are decoded as the iterator advances, so that only one of them is in memory.

    Yields:
        An image for each page of a PDF or multi-page TIFF, otherwise one. Whatever fails is an
        image that holds the error, whose message begins with the source's name.
    """
    name = source.input_path
    try:
        with naming(name):
            warnings: list[str] = []
            for page in _pages(source, settings, warnings.append):
                yield _decoded(source, page, warnings)
    except ClsctlError as error:
        yield InputImage(name, error=error, file=source.file)


def read_tensors(
    source: Source, settings: Settings, preprocess: Preprocessor
) -> Iterator[tuple[InputImage, NDArray[np.float32] | None]]:
    """Read one source and preprocess its images; may be called from any thread.

    Yields:
        Each image without its pixels, of which a batch would fill the memory, and the network's
        input, float32 [3, S, S]; None where the image holds an error.
    """
    for image in read(source, settings):
        yield _preprocessed(image, preprocess)


def read_page(source: Source, page_index: int | None, settings: Settings) -> NDArray[np.uint8]:
    """Read one page of a source again, in full size; uint8 [height, width, 3], RGB.

    Raises:
        ClsctlError: It cannot be read, or is not there any more.
    """
    exact = replace(settings, draft=0)
    with naming(source.input_path, page_index):
        for found in _pages(source, exact):
            if found.number == page_index:
                return found.decode()
        raise DataError("it is not there any more", code="E_INPUT_MISSING")


def read_pixels(
    path: Path, settings: Settings | None = None, warn: Warn = ignore
) -> NDArray[np.uint8]:
    """Decode a file; of a document or animation, the first page.

    Args:
        path: A file.
        settings: The limits, and no reduced size; the defaults where None.
        warn: Receives what is wrong with the file although it can be decoded.

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        DataError: It cannot be read or decoded (see `clsctl.images.decode.iter_pages`). The message
            does not name the file: that is left to the caller, who knows where it is listed.
    """
    exact = replace(settings or Settings(), draft=0)
    with closing(iter_pages(read_file(path), exact, warn)) as found:
        return next(found).decode()


def read_span(path: Path, settings: Settings) -> Span:
    """Find out which values a file holds; of a document or animation, the first page.

    Raises:
        DataError: It cannot be read or decoded. The message does not name the file.
    """
    with closing(iter_pages(read_file(path), replace(settings, value_range=None))) as found:
        return next(found).span()


def _pages(source: Source, settings: Settings, warn: Warn = ignore) -> Iterator[Page]:
    content = source.content
    if isinstance(content, ClsctlError):
        raise content
    if isinstance(content, Path):
        yield from iter_pages(read_file(content), settings, warn)
    elif isinstance(content, str):
        yield from iter_pages(download(content, settings), settings, warn)
    elif isinstance(content, bytes):
        yield from iter_pages(content, settings, warn)
    else:
        decode = functools.partial(from_array, content, settings.value_range)
        yield Page(None, decode, functools.partial(span_of, content))


def _decoded(source: Source, page: Page, warnings: list[str]) -> InputImage:
    warnings.clear()
    image = InputImage(source.input_path, page.number, file=source.file)
    try:
        with naming(image.input_path, page.number):
            return replace(image, pixels=page.decode(), warnings=tuple(warnings))
    except ClsctlError as error:
        return replace(image, error=error)


def _preprocessed(
    image: InputImage, preprocess: Preprocessor
) -> tuple[InputImage, NDArray[np.float32] | None]:
    if image.pixels is None:
        return image, None
    try:
        with naming(image.input_path, image.page_index):
            tensor = preprocess(image.pixels)
    except ClsctlError as error:
        return replace(image, pixels=None, error=error), None
    return replace(image, pixels=None), tensor
