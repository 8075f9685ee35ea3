"""Read an epoch's pixels: from the files themselves, or from what was kept of them.

A reader is a function from an image's path to its pixels, uint8 [H, W, 3] RGB; each function here
wraps another. What is kept is found again by path, size and time of change of the file, so that
an image that was replaced is read again.
"""

from __future__ import annotations

import functools
import hashlib
import io
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from clsctl.console.messages import note
from clsctl.images.fetch import unreadable
from clsctl.images.read import read_pixels
from clsctl.images.resize.resample import resampler
from clsctl.settings import Settings
from clsctl.system.temporary import temporary_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Read = Callable[[Path], "NDArray[np.uint8]"]
_Key = tuple[str, int, int]


class Shrinking(NamedTuple):
    """How images are made smaller before they are kept.

    The network sees the smaller image also where it is decoded again, so results do not depend on
    what was kept. It is resized as in prediction, so that it looks alike: with the same aliasing.

    Attributes:
        side: The short side of a larger image afterwards, in pixels; smaller ones stay as they are.
        backend: The library that resizes, see `clsctl.images.resize.resample.resampler`.
        interpolation: Likewise.
    """

    side: int
    backend: str
    interpolation: str


def open_reader(
    cache: Literal["none", "ram", "disk"],
    shrinking: Shrinking,
    limit: int,
    folder: Path,
    settings: Settings,
) -> Read:
    """Open the reader of a run.

    Args:
        cache: What is kept: nothing; as many images as the limit holds; or all of them, in files.
        limit: Bytes of memory.
        folder: Where files are kept.
        settings: The limits for images.
    """
    plain = functools.partial(read_pixels, settings=settings)
    if cache == "none":
        return plain
    small = shrink(plain, shrinking)
    if cache == "disk":
        return cache_on_disk(small, folder, (*shrinking, settings.value_range))
    return cache_in_memory(small, limit)


def shrink(read: Read, shrinking: Shrinking) -> Read:
    """Make images smaller, so that more of them can be kept."""
    resample = resampler(shrinking.backend, shrinking.interpolation)

    def shrunk(path: Path) -> NDArray[np.uint8]:
        pixels = read(path)
        height, width = pixels.shape[:2]
        scale = shrinking.side / min(height, width)
        if scale >= 1:
            return pixels
        size = (round(width * scale), round(height * scale))
        return resample(pixels, size, (0, 0, *size))

    return shrunk


def cache_in_memory(read: Read, limit: int) -> Read:
    """Keep the pixels of the first images, up to a number of bytes.

    Every epoch reads every image, so throwing one out for another would gain nothing.
    """
    kept: dict[_Key, NDArray[np.uint8]] = {}
    lock = threading.Lock()
    room = limit

    def from_memory(path: Path) -> NDArray[np.uint8]:
        nonlocal room
        key = _key(path)
        if key in kept:
            return kept[key]
        pixels = read(path)
        with lock:
            if key not in kept and pixels.nbytes <= room:
                room -= pixels.nbytes
                # A view would keep the whole that it is a part of.
                kept[key] = pixels if pixels.base is None else pixels.copy()
        return pixels

    return from_memory


def cache_on_disk(read: Read, folder: Path, made: tuple[object, ...]) -> Read:
    """Keep every image's pixels in a file, for this run and later ones.

    A damaged file counts as missing. Once the disk is full nothing more is kept.

    Args:
        read: What is kept of an image.
        folder: Where files are kept; made when needed.
        made: How images are made by `read`; those of another way are kept apart.
    """
    writable = True

    def from_disk(path: Path) -> NDArray[np.uint8]:
        nonlocal writable
        file = _cache_file(folder, (*_key(path), *made))
        pixels = _load(file)
        if pixels is not None:
            return pixels
        pixels = read(path)
        if writable:
            try:
                _save(file, pixels)
            except OSError as error:
                writable = False
                note(f"images are no longer kept in {folder}: {error.strerror or error}")
        return pixels

    return from_disk


# ---- files -------------------------------------------------------------------------------------


def _key(path: Path) -> _Key:
    try:
        facts = path.stat()
    except (OSError, ValueError) as error:
        raise unreadable(error) from None
    return str(path.absolute()), facts.st_size, facts.st_mtime_ns


def _cache_file(folder: Path, facts: tuple[object, ...]) -> Path:
    name = hashlib.sha256(repr(facts).encode("utf-8", "surrogateescape")).hexdigest()
    return folder / name[:2] / f"{name}.npz"


def _load(file: Path) -> NDArray[np.uint8] | None:
    """The archive's own checksum tells whether the file is whole."""
    import numpy as np

    try:
        with np.load(file) as archive:
            return archive["pixels"]  # type: ignore[no-any-return]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _save(file: Path, pixels: NDArray[np.uint8]) -> None:
    """Without fsync: the checksum finds what a power cut spoilt, and it is made again."""
    import numpy as np

    file.parent.mkdir(parents=True, exist_ok=True)
    # In memory first: where writing fails, an archive that is open complains once more by itself.
    archive = io.BytesIO()
    np.savez(archive, pixels=pixels)
    with temporary_file(file.parent) as temporary:
        temporary.write_bytes(archive.getbuffer())
        temporary.replace(file)
