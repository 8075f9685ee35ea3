"""Which decoded images a run keeps in memory, so that it decodes them once.

Validation images, and those that the start is fitted to, are kept as the network gets them.
Training images are cut out anew in each epoch; they are kept where they are so large that decoding
them takes long, and then at twice the size of the network's input.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from clsctl.datasets.samples import Sample, located
from clsctl.errors import ClsctlError
from clsctl.images.read import read_pixels
from clsctl.loading.cache import Shrinking
from clsctl.system.memory import machine_memory
from clsctl.training.distributed.ranks import Rank

if TYPE_CHECKING:
    from clsctl.settings import Settings
    from clsctl.values import Preprocessing

Cache = Literal["none", "ram", "disk"]

ENLARGED = 2
"""How much larger than the network's input kept images are, so that crops stay sharp."""

LARGE = 4
"""Images of so many times the pixels of what is kept of them are kept by themselves."""

LOOKED_AT = 8
"""Images that tell how large all are, spread evenly over them."""

SHARE = 1 / 8
"""Of the free memory: for validation images, for the start's, and twice for those of training."""


def room(rank: Rank) -> int:
    """Bytes of memory for one of these kinds of images."""
    return int(SHARE * machine_memory().free) // rank.local_size


def room_to_train(rank: Rank) -> int:
    return 2 * room(rank)


def shrinking(preprocessing: Preprocessing) -> Shrinking:
    """Say how training images are made smaller."""
    side = ENLARGED * max(preprocessing.input_size)
    return Shrinking(side, preprocessing.backend, preprocessing.interpolation)


def choose_cache(
    choice: Literal["auto"] | Cache,
    samples: Sequence[Sample],
    root: Path,
    settings: Settings,
    side: int,
) -> Cache:
    """Choose whether training images are kept.

    Args:
        choice: What the configuration says.
        side: Their short side, if they are.

    Raises:
        DataError: An image cannot be read.
    """
    if choice != "auto":
        return choice
    looked_at = samples[:: max(1, len(samples) // LOOKED_AT)]
    pixels = statistics.median(_pixels(sample, root, settings) for sample in looked_at)
    return "ram" if pixels >= LARGE * side**2 else "none"


def _pixels(sample: Sample, root: Path, settings: Settings) -> int:
    try:
        height, width, _ = read_pixels(root / sample.path, settings).shape
    except ClsctlError as error:
        raise located(error, sample) from None
    return int(height * width)
