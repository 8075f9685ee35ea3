"""Look into every image of a dataset, in parallel, and keep a few numbers of each.

Only a few images are in memory together; what is kept of each takes some 500 bytes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from clsctl.console.progress import no_progress
from clsctl.datasets.check.duplicates import GRID, Fingerprints, fingerprint, join
from clsctl.datasets.check.image_facts import (
    ImageFacts,
    InspectedImage,
    inspect_header,
    inspect_pixels,
)
from clsctl.errors import ClsctlError
from clsctl.settings import Settings
from clsctl.system.iteration import batched
from clsctl.system.threads import one_opencv_thread, ordered_map
from clsctl.values import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


CHUNK = 32


@dataclass(frozen=True, eq=False)
class Scan:
    """What was found in N files, by their position.

    Attributes:
        sizes: int32 [N, 2], width and height in pixels, as stored; 0 where unknown.
        rotated: bool [N], whether EXIF data turn or mirror the image.
        modes: N colour modes as Pillow names them, such as `RGB` or `L`; empty where unknown.
        signatures: uint64 [N], equal for equal files and hardly ever for others.
        errors: Why a file could not be read, by position.
        warnings: What is wrong with a file although it can be decoded, by position.
        fingerprints: What near-duplicates are recognised by; None after a fast scan.
        mean: Per channel, RGB, after scaling to 0..1, each image counting the same; None likewise.
        std: Likewise, the standard deviation.
    """

    sizes: NDArray[np.int32]
    rotated: NDArray[np.bool_]
    modes: Sequence[str]
    signatures: NDArray[np.uint64]
    errors: Mapping[int, ClsctlError]
    warnings: Mapping[int, str]
    fingerprints: Fingerprints | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


class _Chunk(NamedTuple):
    """Some files' facts, fingerprints, and sums of their mean values and mean squares [2, 3]."""

    facts: Sequence[ImageFacts]
    fingerprints: Fingerprints | None = None
    moments: NDArray[np.float64] | None = None


_Look = Callable[[Path, Settings], InspectedImage]


def scan_images(
    root: Path,
    names: Sequence[str],
    *,
    workers: int,
    settings: Settings,
    fast: bool = False,
    progress: Progress = no_progress,
) -> Scan:
    """Decode every image and measure it.

    Args:
        root: What names are relative to.
        names: Paths of the images.
        workers: Threads; decoders let other threads run.
        settings: The limits for images.
        fast: Read only the headers: nothing is decoded, nothing measured in pixels.
        progress: Receives the images done, and in all.
    """
    look = inspect_header if fast else inspect_pixels
    scan = functools.partial(_scan_chunk, look, root, settings)
    chunks: list[_Chunk] = []
    with one_opencv_thread(), ordered_map(scan, batched(names, CHUNK), workers) as scanned:
        for chunk in scanned:
            chunks.append(chunk)
            progress(min(len(chunks) * CHUNK, len(names)), len(names))
    return _joined(chunks, fast)


def _scan_chunk(look: _Look, root: Path, settings: Settings, names: Sequence[str]) -> _Chunk:
    """Inspect some files; what can be, is computed for all of them in one call."""
    import cv2
    import numpy as np

    seen = [_guarded(look, root / name, settings) for name in names]
    facts = [one.facts for one in seen]
    if look is inspect_header:
        return _Chunk(facts)
    blank = np.zeros((GRID, GRID, 3), np.uint8)
    grids = [one.grid for one in seen if one.grid is not None]
    mean, std = cv2.meanStdDev(np.concatenate(grids or [blank]))
    moments = np.hstack([mean, std**2 + mean**2]).T * len(grids)
    prints = fingerprint(np.stack([blank if one.grid is None else one.grid for one in seen]))
    return _Chunk(facts, prints, moments)


def _guarded(look: _Look, path: Path, settings: Settings) -> InspectedImage:
    try:
        return look(path, settings)
    except ClsctlError as error:
        return InspectedImage(ImageFacts(error=error))


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
        {position: fact.warning for position, fact in enumerate(facts) if fact.warning},
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
