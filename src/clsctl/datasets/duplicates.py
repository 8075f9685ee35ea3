"""Find equal files and images that look alike, without comparing each with each.

An image's fingerprint is a 64-bit perceptual hash (which low frequencies are strong, after C.
Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010) and its colours
on an 8 x 8 grid. Two images are near-duplicates where at most `MAX_BITS` bits differ and the
colours are `MAX_COLOUR` levels of 255 apart on average, or less: enough for another file format,
size, brightness or a few lines of text, not for another photo of a similar object.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GRID = 64
"""Side of the thinned-out image from which a fingerprint is taken, in pixels."""

MAX_BITS = 6
MAX_COLOUR = 40
MIN_TEXTURE = 1.0
"""Mean strength of the low frequencies below which an image is blank and resembles every other."""

MAX_NEIGHBOURS = 32
_BLOCKS = 8
_SMALL = GRID // 2


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """What N images are recognised by.

    Attributes:
        hashes: uint64 [N].
        colours: uint8 [N, 192], RGB on a grid of 8 x 8.
        textured: bool [N], whether there is enough in the image for its hash to mean anything.
    """

    hashes: NDArray[np.uint64]
    colours: NDArray[np.uint8]
    textured: NDArray[np.bool_]


def fingerprint(grids: NDArray[np.uint8]) -> Fingerprints:
    """Fingerprints of images.

    Args:
        grids: uint8 [N, GRID, GRID, 3], RGB, each image squeezed to that size.
    """
    import cv2
    import numpy as np

    count = len(grids)
    # One below the other, images are halved in one call: cells of 2 x 2 pixels do not mix them.
    column = grids.reshape(-1, GRID, 3)
    small = cv2.resize(column, (_SMALL, count * _SMALL), interpolation=cv2.INTER_AREA)
    colours = cv2.resize(small, (8, count * 8), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).reshape(count, _SMALL, _SMALL)
    waves = _cosines()
    strengths = (waves @ grey @ waves.T).reshape(count, 64)
    upper_half = np.partition(strengths, 32, axis=1)[:, 32:33]
    return Fingerprints(
        np.packbits(strengths >= upper_half, axis=1).view(np.uint64).ravel(),
        colours.reshape(count, 8 * 8 * 3).astype(np.uint8, copy=False),
        np.abs(strengths).mean(1) >= MIN_TEXTURE,
    )


def join(parts: Sequence[Fingerprints]) -> Fingerprints:
    """The fingerprints of several groups of images as one."""
    import numpy as np

    return Fingerprints(
        np.concatenate([part.hashes for part in parts]),
        np.concatenate([part.colours for part in parts]),
        np.concatenate([part.textured for part in parts]),
    )


def near_pairs(prints: Fingerprints) -> NDArray[np.int64]:
    """Pairs of near-duplicates.

    A hash is cut into eight blocks of eight bits. Where at most six bits differ, at least two
    blocks are equal; so images are sorted by each pair of blocks in turn and compared with those
    that share it. Of very many images that share a pair of blocks, each is compared with the
    next `MAX_NEIGHBOURS` only.

    Returns:
        int64 [P, 3]: positions of two images, the lower one first, and the bits that differ; in
        the order of positions.
    """
    import numpy as np

    count = len(prints.hashes)
    textured = np.flatnonzero(prints.textured)
    hashes = prints.hashes[textured]
    blocks = hashes.view(np.uint8).reshape(-1, _BLOCKS).astype(np.uint16)
    found = np.empty(0, np.int64)
    for one, other in itertools.combinations(range(_BLOCKS), 2):
        key = blocks[:, one] << 8 | blocks[:, other]
        order = np.lexsort((hashes, key))
        close = _close_among(textured[order], key[order], prints)
        numbers = [low * count + high for low, high in close]
        found = np.unique(np.concatenate([found, *numbers]))
    low, high = np.divmod(found, max(count, 1))
    bits = _different_bits(prints.hashes[low], prints.hashes[high])
    return np.stack([low, high, bits], axis=1)


def _close_among(
    order: NDArray[np.int64], key: NDArray[np.uint16], prints: Fingerprints
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Near-duplicates among images that follow each other and share a key, lower position first."""
    import numpy as np

    here = np.arange(len(order))
    for step in range(1, MAX_NEIGHBOURS + 1):
        here = here[here + step < len(order)]
        here = here[key[here] == key[here + step]]
        first, second = order[here], order[here + step]
        close = _different_bits(prints.hashes[first], prints.hashes[second]) <= MAX_BITS
        first, second = first[close], second[close]
        alike = _colour_distance(prints, first, second) <= MAX_COLOUR
        first, second = first[alike], second[alike]
        yield np.minimum(first, second), np.maximum(first, second)
        if not len(here):
            return


def _different_bits(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.int64]:
    import numpy as np

    octets = (one ^ other).view(np.uint8).reshape(-1, _BLOCKS)
    bits: NDArray[np.int64] = np.unpackbits(octets, axis=1).sum(1, dtype=np.int64)
    return bits


def _colour_distance(
    prints: Fingerprints, one: NDArray[np.int64], other: NDArray[np.int64]
) -> NDArray[np.float64]:
    import numpy as np

    difference = prints.colours[one].astype(np.int16) - prints.colours[other]
    distance: NDArray[np.float64] = np.abs(difference).mean(1)
    return distance


@functools.cache
def _cosines() -> NDArray[np.float32]:
    """The waves 1 to 8 of a discrete cosine transform over `_SMALL` pixels, one a row."""
    import numpy as np

    wave, pixel = np.arange(1, 9)[:, None], np.arange(_SMALL)
    phase = np.pi * (2 * pixel + 1) * wave / (2 * _SMALL)
    waves: NDArray[np.float32] = (np.sqrt(2 / _SMALL) * np.cos(phase)).astype(np.float32)
    return waves
