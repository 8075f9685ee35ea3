"""Look into every image of a dataset, in parallel, and keep a few numbers of each.

At most a few images are in memory at a time; what is kept of each takes some 500 bytes.
"""

from __future__ import annotations

import io
import os
import warnings
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clsctl.datasets.duplicates import SMALL_SIDE, Fingerprints, fingerprint, join
from clsctl.decoding import pages, unsupported
from clsctl.errors import ClsctlError, DataError
from clsctl.fetching import read_file, unreadable
from clsctl.types import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HEAD = 1 << 16
"""Bytes that a fast scan reads of a file, and that an exact copy is first recognised by."""

CHUNK = 32
CHUNKS_AHEAD = 4
GRID, SAMPLES = 128, 64
"""An image is thinned out to GRID x GRID pixels to be recognised, to SAMPLES x SAMPLES to be
averaged: enough for figures over many images, at a tenth of the cost of decoding."""

_ORIENTATION = 0x0112


@dataclass(frozen=True, eq=False)
class Scan:
    """What was found in N files, by their position.

    Attributes:
        sizes: int32 [N, 2], width and height in pixels, as stored; 0 where unknown.
        rotated: bool [N], whether EXIF data turn or mirror the image.
        modes: N colour modes as Pillow names them, such as `RGB` or `L`; empty where unknown.
        signatures: uint64 [N], equal for equal files and hardly ever for others.
        errors: Why a file could not be read, by position.
        fingerprints: What near-duplicates are recognised by; None after a fast scan.
        mean: Per channel, RGB, after scaling to 0..1, each image counting the same; None likewise.
        std: Likewise, the standard deviation.
    """

    sizes: NDArray[np.int32]
    rotated: NDArray[np.bool_]
    modes: Sequence[str]
    signatures: NDArray[np.uint64]
    errors: Mapping[int, ClsctlError]
    fingerprints: Fingerprints | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


class _Facts(NamedTuple):
    """What a scan keeps of one file until all are read; `moments` is the mean and mean square."""

    width: int = 0
    height: int = 0
    rotated: bool = False
    mode: str = ""
    signature: int = 0
    error: ClsctlError | None = None
    small: NDArray[np.uint8] | None = None
    moments: NDArray[np.float64] | None = None


class _Chunk(NamedTuple):
    """The facts of some files, without `small` and `moments`; their prints and summed moments."""

    facts: Sequence[_Facts]
    fingerprints: Fingerprints | None = None
    moments: NDArray[np.float64] | None = None


def scan_images(
    root: Path,
    names: Sequence[str],
    *,
    workers: int,
    max_pixels: int,
    fast: bool = False,
    progress: Progress = lambda done, total: None,
) -> Scan:
    """Decode every image and measure it.

    Args:
        root: What names are relative to.
        names: Paths of the images.
        workers: Threads; decoders let other threads run.
        max_pixels: Width times height above which an image counts as an error.
        fast: Read only the headers: nothing is decoded, nothing measured in pixels.
        progress: Receives the images done, and in all.
    """
    look = _look_at_header if fast else _look_at_pixels
    chunks: list[_Chunk] = []
    pending: deque[Future[_Chunk]] = deque()

    def collect(limit: int) -> None:
        while len(pending) > limit:
            chunks.append(pending.popleft().result())
            progress(min(len(chunks) * CHUNK, len(names)), len(names))

    with _quiet(), ThreadPoolExecutor(workers, thread_name_prefix="clsctl") as pool:
        try:
            for start in range(0, len(names), CHUNK):
                part = names[start : start + CHUNK]
                pending.append(pool.submit(_scan_chunk, look, root, part, max_pixels))
                collect(workers * CHUNKS_AHEAD)
            collect(0)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return _joined(chunks, fast)


def _scan_chunk(
    look: Callable[[Path, int], _Facts], root: Path, names: Sequence[str], max_pixels: int
) -> _Chunk:
    import numpy as np

    facts = [_guarded(look, root / name, max_pixels) for name in names]
    if look is _look_at_header:
        return _Chunk(facts)
    blank = np.zeros((SMALL_SIDE, SMALL_SIDE, 3), np.uint8)
    small = np.stack([blank if fact.small is None else fact.small for fact in facts])
    moments = sum(fact.moments for fact in facts if fact.moments is not None)
    bare = [fact._replace(small=None, moments=None) for fact in facts]
    return _Chunk(bare, fingerprint(small), np.zeros((2, 3)) + moments)


def _guarded(look: Callable[[Path, int], _Facts], path: Path, max_pixels: int) -> _Facts:
    try:
        return look(path, max_pixels)
    except ClsctlError as error:
        return _Facts(error=error)


def _look_at_pixels(path: Path, max_pixels: int) -> _Facts:
    """Decode an image; of a document or animation, the first page."""
    import cv2
    import numpy as np

    data = read_file(path)
    _, decode = next(pages(data, max_pixels))
    pixels = decode()
    # Nearest neighbours keep the spread of the values, which an average would narrow.
    grid = cv2.resize(pixels, (GRID, GRID), interpolation=cv2.INTER_NEAREST)
    small = cv2.resize(grid, (SMALL_SIDE, SMALL_SIDE), interpolation=cv2.INTER_AREA)
    samples = cv2.resize(grid, (SAMPLES, SAMPLES), interpolation=cv2.INTER_NEAREST)
    mean, std = (values.ravel() / 255 for values in cv2.meanStdDev(samples))
    facts = _header(io.BytesIO(data)) or _Facts(pixels.shape[1], pixels.shape[0], mode="RGB")
    return facts._replace(
        signature=_signature(len(data), data[:HEAD]),
        small=small.astype(np.uint8, copy=False),
        moments=np.stack([mean, std**2 + mean**2]),
    )


def _look_at_header(path: Path, max_pixels: int) -> _Facts:
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD)
            size = os.fstat(stream.fileno()).st_size
    except (OSError, ValueError) as error:
        raise unreadable(error) from None
    if not head:
        raise DataError("the file is empty", code="E_IMAGE_EMPTY")
    facts = _header(io.BytesIO(head)) or _header(path)
    if facts is None:
        raise unsupported()
    if facts.width * facts.height > max_pixels:
        raise DataError(
            f"the image is {facts.width} x {facts.height} pixels", code="E_IMAGE_TOO_LARGE"
        )
    return facts._replace(signature=_signature(size, head))


def _header(source: Any) -> _Facts | None:
    """Size, orientation and colour mode, or None where Pillow cannot tell."""
    from PIL import Image

    try:
        with Image.open(source) as image:
            rotated = image.getexif().get(_ORIENTATION, 1) not in (0, 1)
            return _Facts(image.width, image.height, rotated, image.mode)
    except Exception:  # noqa: BLE001 - damaged bytes may raise anything in a decoder
        return None


def _signature(size: int, head: bytes) -> int:
    return (size & 0xFFFFFFFF) << 32 | zlib.crc32(head)


def _joined(chunks: Sequence[_Chunk], fast: bool) -> Scan:
    import numpy as np

    facts = [fact for chunk in chunks for fact in chunk.facts]
    errors = {position: fact.error for position, fact in enumerate(facts) if fact.error}
    scan = Scan(
        np.array([fact[:2] for fact in facts], np.int32).reshape(-1, 2),
        np.array([fact.rotated for fact in facts], np.bool_),
        [fact.mode for fact in facts],
        np.array([fact.signature for fact in facts], np.uint64),
        errors,
    )
    if fast or len(errors) == len(facts):
        return scan
    mean, square = sum(chunk.moments for chunk in chunks) / (len(facts) - len(errors))
    return replace(
        scan,
        fingerprints=join([chunk.fingerprints for chunk in chunks]),
        mean=tuple(mean.tolist()),
        std=tuple(np.sqrt(square - mean**2).tolist()),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """One core a thread, and no warnings about what is reported as a problem anyway."""
    import cv2

    threads = cv2.getNumThreads()
    cv2.setNumThreads(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        cv2.setNumThreads(threads)
