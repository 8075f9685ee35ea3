"""Look into every image of a dataset, in parallel, and keep a few numbers of each.

At most a few images are in memory at a time; what is kept of each takes some 500 bytes.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clsctl.datasets.check.duplicates import GRID, Fingerprints, fingerprint, join
from clsctl.errors import ClsctlError, DataError
from clsctl.images import pillow_decode
from clsctl.images.decode import iter_pages
from clsctl.images.fetch import unreadable
from clsctl.images.headers import format_of, read_header
from clsctl.images.image_errors import unsupported
from clsctl.values import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HEAD, SIGNED = 1 << 16, 1 << 12
"""Bytes that a fast scan reads of a file, and that an exact copy is first recognised by."""

CHUNK = 32
CHUNKS_AHEAD = 4
_SEGMENT = struct.Struct(">BBH")
_APP1 = 0xE1
_FRAMES = (0xC0, 0xC1, 0xC2)
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
    """What is kept of one file."""

    width: int = 0
    height: int = 0
    rotated: bool = False
    mode: str = ""
    signature: int = 0
    error: ClsctlError | None = None


class _Seen(NamedTuple):
    """A file's facts and, where it was decoded, uint8 [GRID, GRID, 3] of its pixels, RGB."""

    facts: _Facts
    grid: NDArray[np.uint8] | None = None


class _Chunk(NamedTuple):
    """Some files' facts, fingerprints, and sums of their mean values and mean squares [2, 3]."""

    facts: Sequence[_Facts]
    fingerprints: Fingerprints | None = None
    moments: NDArray[np.float64] | None = None


_Look = Callable[[Path, int], _Seen]


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

    with _alone(), ThreadPoolExecutor(workers, thread_name_prefix="clsctl") as pool:
        try:
            for start in range(0, len(names), CHUNK):
                part = names[start : start + CHUNK]
                pending.append(pool.submit(_scan_chunk, look, root, part, max_pixels))
                collect(workers * CHUNKS_AHEAD)
            collect(0)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return _joined(chunks, fast)


def _scan_chunk(look: _Look, root: Path, names: Sequence[str], max_pixels: int) -> _Chunk:
    """Look at some files; what can be, is computed for all of them in one call."""
    import cv2
    import numpy as np

    seen = [_guarded(look, root / name, max_pixels) for name in names]
    facts = [one.facts for one in seen]
    if look is _look_at_header:
        return _Chunk(facts)
    blank = np.zeros((GRID, GRID, 3), np.uint8)
    grids = [one.grid for one in seen if one.grid is not None]
    mean, std = cv2.meanStdDev(np.concatenate(grids or [blank]))
    moments = np.hstack([mean, std**2 + mean**2]).T * len(grids)
    prints = fingerprint(np.stack([blank if one.grid is None else one.grid for one in seen]))
    return _Chunk(facts, prints, moments)


def _guarded(look: _Look, path: Path, max_pixels: int) -> _Seen:
    try:
        return look(path, max_pixels)
    except ClsctlError as error:
        return _Seen(_Facts(error=error))


def _look_at_pixels(path: Path, max_pixels: int) -> _Seen:
    """Decode an image; of a document or animation, the first page."""
    import cv2

    data, size = _read(path)
    pixels = next(iter_pages(data, max_pixels)).decode()
    height, width = pixels.shape[:2]
    signature = _signature(size, data)
    facts = None if _is_plain_jpeg(data) else _header(io.BytesIO(data), signature)
    # Nearest neighbours are the fastest, and keep the spread of the values.
    grid: Any = cv2.resize(pixels, (GRID, GRID), interpolation=cv2.INTER_NEAREST)
    return _Seen(facts or _Facts(width, height, False, "RGB", signature), grid)


def _look_at_header(path: Path, max_pixels: int) -> _Seen:
    """Read a header; a small file, which is read whole, is also known to be cut short."""
    head, size = _read(path, HEAD)
    if not head:
        raise DataError("the file is empty", code="E_IMAGE_EMPTY")
    kind = format_of(head)
    if kind is None:
        raise unsupported()
    signature = _signature(size, head)
    if kind == "PDF":
        return _Seen(_Facts(mode="RGB", signature=signature))
    if size == len(head) and kind not in pillow_decode.FORMATS and not _is_whole(kind, head):
        raise DataError(f"the {kind} file is cut short", code="E_IMAGE_TRUNCATED")
    facts = _header(io.BytesIO(head), signature) or _header(path, signature)
    if facts is None:
        raise DataError(f"the header of the {kind} file is damaged", code="E_IMAGE_CORRUPT")
    if facts.width * facts.height > max_pixels:
        message = f"the image is {facts.width} x {facts.height} pixels, more than {max_pixels:,}"
        raise DataError(message, code="E_IMAGE_TOO_LARGE")
    return _Seen(facts)


def _is_whole(kind: str, data: bytes) -> bool:
    try:
        return read_header(kind, data).whole
    except ValueError:
        return False


def _read(path: Path, limit: int = -1) -> tuple[bytes, int]:
    """A file's content, or its first bytes, and its size."""
    try:
        # Without a buffer, memory for exactly the file's size is taken once.
        with path.open("rb", buffering=0) as stream:
            return stream.read(limit), os.fstat(stream.fileno()).st_size
    except (OSError, ValueError) as error:
        raise unreadable(error) from None


def _header(source: Any, signature: int) -> _Facts | None:
    """Size, orientation and colour mode, or None where Pillow cannot tell."""
    from PIL import Image

    try:
        with Image.open(source) as image:
            rotated = image.getexif().get(_ORIENTATION, 1) not in (0, 1)
            return _Facts(image.width, image.height, rotated, image.mode, signature)
    except Exception:  # noqa: BLE001 - damaged bytes may raise anything in a decoder
        return None


def _is_plain_jpeg(data: bytes) -> bool:
    """Whether this is a JPEG of three colours and without EXIF data, as far as it is easy to tell.

    Pillow, which tells more, takes a tenth of the time that decoding a small photo takes.
    """
    position = 2
    try:
        while data[:2] == b"\xff\xd8":
            start, marker, length = _SEGMENT.unpack_from(data, position)
            if start != 0xFF or marker == _APP1:
                return False
            if marker in _FRAMES:
                return data[position + 9] == 3
            position += 2 + length
    except (IndexError, struct.error):
        pass
    return False


def _signature(size: int, data: bytes) -> int:
    return (size & 0xFFFFFFFF) << 32 | zlib.crc32(data[:SIGNED])


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
    totals = sum(chunk.moments for chunk in chunks if chunk.moments is not None)
    mean, square = np.zeros((2, 3)) + totals / (len(facts) - len(errors))
    mean, square = mean / 255, square / 255**2
    return replace(
        scan,
        fingerprints=join([chunk.fingerprints for chunk in chunks if chunk.fingerprints]),
        mean=tuple(mean.tolist()),
        std=tuple(np.sqrt(square - mean**2).tolist()),
    )


@contextmanager
def _alone() -> Iterator[None]:
    """One core a thread, and Pillow neither limits sizes, which we do, nor warns of anything."""
    import cv2
    from PIL import Image

    threads, limit = cv2.getNumThreads(), Image.MAX_IMAGE_PIXELS
    cv2.setNumThreads(0)
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        cv2.setNumThreads(threads)
        Image.MAX_IMAGE_PIXELS = limit
