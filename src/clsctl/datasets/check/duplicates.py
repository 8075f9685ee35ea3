"""Find equal files and images that look alike, without comparing each with each.

An image's fingerprint is a 64-bit perceptual hash (which low frequencies are strong, after C.
Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010) and its colours
on a 4 x 4 grid. Two images are near-duplicates where at most `MAX_BITS` bits differ and the
colours are `MAX_COLOUR` levels of 255 apart on average, or less: enough for another file format,
size, brightness or a few lines of text, not for another photo of a similar object.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.system.files import file_sha256

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GRID = 64
"""Side of the thinned-out image from which a fingerprint is taken, in pixels."""

MAX_BITS = 6
MAX_COLOUR = 40
MIN_TEXTURE = 1.0
"""Mean strength of the low frequencies below which an image is blank and resembles every other."""

MAX_NEIGHBOURS = 10
CELLS = 4
_BLOCKS = 8
_PART = 1 << 16
_SMALL = GRID // 2


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """What N images are recognised by.

    Attributes:
        hashes: uint64 [N].
        colours: uint8 [N, 48], RGB on a grid of CELLS x CELLS.
        textured: bool [N], whether there is enough in the image for its hash to mean anything.
    """

    hashes: NDArray[np.uint64]
    colours: NDArray[np.uint8]
    textured: NDArray[np.bool_]


def fingerprint(grids: NDArray[np.uint8]) -> Fingerprints:
    """Compute the fingerprints of images.

    Args:
        grids: uint8 [N, GRID, GRID, 3], RGB, each image squeezed to that size.
    """
    import cv2
    import numpy as np

    count = len(grids)
    # One below the other, images are halved in one call: cells of 2 x 2 pixels do not mix them.
    column = grids.reshape(-1, GRID, 3)
    small = cv2.resize(column, (_SMALL, count * _SMALL), interpolation=cv2.INTER_AREA)
    colours = cv2.resize(small, (CELLS, count * CELLS), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).reshape(count, _SMALL, _SMALL)
    waves = _cosines()
    strengths = (waves @ grey @ waves.T).reshape(count, 64)
    upper_half = np.partition(strengths, 32, axis=1)[:, 32:33]
    return Fingerprints(
        np.packbits(strengths >= upper_half, axis=1).view(np.uint64).ravel(),
        colours.reshape(count, CELLS * CELLS * 3).astype(np.uint8, copy=False),
        np.abs(strengths).mean(1) >= MIN_TEXTURE,
    )


def join(parts: Sequence[Fingerprints]) -> Fingerprints:
    """Concatenate the fingerprints of several groups of images."""
    import numpy as np

    return Fingerprints(
        np.concatenate([part.hashes for part in parts]),
        np.concatenate([part.colours for part in parts]),
        np.concatenate([part.textured for part in parts]),
    )


def near_pairs(prints: Fingerprints) -> NDArray[np.int64]:
    """Find pairs of near-duplicates.

    A hash is cut into eight blocks of eight bits. Where at most six bits differ, at least two
    blocks are equal; so images are sorted by each pair of blocks in turn and compared with those
    that share it. Of very many images that share a pair of blocks, each is compared with the
    next `MAX_NEIGHBOURS` only; images of the same fingerprint are paired with the first of them.

    Returns:
        int64 [P, 3]: positions of two images, the lower one first, and the bits that differ; in
        the order of positions.
    """
    import numpy as np

    textured = np.flatnonzero(prints.textured)
    hashes, colours = prints.hashes[textured], prints.colours[textured]
    first = _first_equal(hashes, colours)
    is_copy = first != np.arange(len(first))
    copies, distinct = np.flatnonzero(is_copy), np.flatnonzero(~is_copy)
    low, high = np.divmod(_close(hashes[distinct]), max(len(distinct), 1))
    low, high = distinct[low], distinct[high]
    alike = _colour_distance(colours, low, high) <= MAX_COLOUR
    low = np.concatenate([first[copies], low[alike]])
    high = np.concatenate([copies, high[alike]])
    bits = _different_bits(hashes[low], hashes[high])
    pairs = np.stack([textured[low], textured[high], bits], axis=1)
    return pairs[np.lexsort((high, low))]


def _first_equal(hashes: NDArray[np.uint64], colours: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Find, for each image, the position of the first one with the same fingerprint."""
    import numpy as np

    rows = np.hstack([hashes.view(np.uint8).reshape(-1, _BLOCKS), colours])
    keys = rows.view(np.dtype((np.void, rows.shape[1]))).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return first[inverse]


def _close(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Find pairs of hashes with at most `MAX_BITS` different bits, as first * N + second."""
    import numpy as np

    count = len(hashes)
    blocks = hashes.view(np.uint8).reshape(-1, _BLOCKS).astype(np.uint16)
    found = np.empty(0, np.int64)
    for one, other in itertools.combinations(range(_BLOCKS), 2):
        key = blocks[:, one] << 8 | blocks[:, other]
        order = np.lexsort((hashes, key))
        pairs = [low * count + high for low, high in _close_neighbours(order, key, hashes)]
        # Sorted by hand: np.unique hashes integers, which takes ten times as long.
        found = np.sort(np.concatenate([found, *pairs]))
        found = found[np.diff(found, prepend=-1) > 0]
    return found


def _close_neighbours(
    order: NDArray[np.int64], key: NDArray[Any], hashes: NDArray[np.uint64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Find pairs of close hashes among neighbours in an order that share a key."""
    import numpy as np

    key, hashes = key[order], hashes[order]
    here = np.arange(len(order))
    for step in range(1, MAX_NEIGHBOURS + 1):
        here = here[here + step < len(order)]
        here = here[key[here] == key[here + step]]
        close = here[_different_bits(hashes[here], hashes[here + step]) <= MAX_BITS]
        first, second = order[close], order[close + step]
        yield np.minimum(first, second), np.maximum(first, second)
        if not len(here):
            return


def _different_bits(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.int64]:
    words = (one ^ other).view("uint16").reshape(-1, 4)
    bits: NDArray[np.int64] = _set_bits()[words].sum(1)
    return bits


def _colour_distance(
    colours: NDArray[np.uint8], one: NDArray[np.int64], other: NDArray[np.int64]
) -> NDArray[np.float64]:
    import numpy as np

    distances = np.empty(len(one))
    for start in range(0, len(one), _PART):
        part = slice(start, start + _PART)
        difference = colours[one[part]].astype(np.int16) - colours[other[part]]
        distances[part] = np.abs(difference).mean(1)
    return distances


@functools.cache
def _set_bits() -> NDArray[np.int64]:
    """Count the bits that are set in each number of 16 bits."""
    import numpy as np

    octets = np.arange(1 << 16, dtype=np.uint16).view(np.uint8).reshape(-1, 2)
    counts: NDArray[np.int64] = np.unpackbits(octets, axis=1).sum(1, dtype=np.int64)
    return counts


@functools.cache
def _cosines() -> NDArray[np.float32]:
    """Compute waves 1 to 8 of a discrete cosine transform over `_SMALL` pixels, one a row."""
    import numpy as np

    wave, pixel = np.arange(1, 9)[:, None], np.arange(_SMALL)
    phase = np.pi * (2 * pixel + 1) * wave / (2 * _SMALL)
    waves: NDArray[np.float32] = (np.sqrt(2 / _SMALL) * np.cos(phase)).astype(np.float32)
    return waves


def equal_files(
    root: Path, names: Sequence[str], signatures: NDArray[np.uint64]
) -> list[tuple[int, ...]]:
    """Find groups of files that are equal byte for byte.

    Args:
        root: What the names are relative to.
        names: Paths of files.
        signatures: Of each; only files of equal signature are read. 0 stands for no file.

    Returns:
        For each group the positions of its files, in order; groups in order of their first.
    """
    import numpy as np

    values, counts = np.unique(signatures, return_counts=True)
    repeated = set(values[(counts > 1) & (values > 0)].tolist())
    groups: dict[str, list[int]] = {}
    for position, signature in enumerate(signatures.tolist() if repeated else ()):
        if signature in repeated:
            groups.setdefault(file_sha256(root / names[position]), []).append(position)
    return [tuple(group) for group in groups.values() if len(group) > 1]
