"""Choose the samples of an epoch, their order, and where its random numbers come from.

Every random number of the data's way is drawn from a generator that is keyed by what it is for,
never from one that is passed along: what a batch holds does not depend on what came before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Stream(IntEnum):
    """What random numbers are for; streams of one seed have nothing in common."""

    ORDER = 0
    AUGMENT = 1
    MIX = 2


def generator(seed: int, stream: Stream, epoch: int, number: int = 0) -> np.random.Generator:
    """Return the random numbers of one sample or batch.

    Args:
        seed: 0 or more.
        number: Place of the sample or batch in the epoch, from 0.
    """
    import numpy as np

    # Always four words: NumPy takes missing ones for zeros.
    return np.random.default_rng((seed, stream, epoch, number))


def epoch_order(
    count: int, seed: int, epoch: int, shuffle: bool, weights: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """Return the indices of the samples in the order an epoch takes them.

    Args:
        count: Number of samples.
        shuffle: Draw a new order each epoch; otherwise it is 0, 1, 2 ...
        weights: float64 [count], summing to 1: the probability of each sample in each of `count`
            draws with replacement. Without them every sample is taken once.

    Returns:
        int64 [count].
    """
    import numpy as np

    rng = generator(seed, Stream.ORDER, epoch)
    if weights is not None:
        return rng.choice(count, count, p=weights)
    return rng.permutation(count) if shuffle else np.arange(count)


def split_batch(places: range, part: int, parts: int, least: int) -> range:
    """Return one process's part of the places that a batch takes in the epoch.

    Args:
        part: From 0.
        parts: How many there are; a small batch leaves the last of them empty.
        least: The smallest part that is not empty, save where the batch itself is smaller.
    """
    used = max(min(parts, len(places) // least), 1)
    begin, end = (len(places) * min(edge, used) // used for edge in (part, part + 1))
    return places[begin:end]


def balanced_weights(labels: Sequence[int]) -> NDArray[np.float64]:
    """Return probabilities by which every class that has samples is drawn equally often.

    Returns:
        float64 [N], by sample, summing to 1.
    """
    import numpy as np

    _, classes, counts = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    return 1 / (len(counts) * counts[classes])


def log_frequencies(labels: Sequence[int], num_classes: int) -> NDArray[np.float32]:
    """Return the logarithm of each class's share of the samples, float32 [num_classes].

    A class without samples counts as if it had one.
    """
    import numpy as np

    counts = np.bincount(np.asarray(labels, np.int64), minlength=num_classes)
    shares: NDArray[np.float32] = np.log(counts.clip(1) / len(labels)).astype(np.float32)
    return shares


def class_weights(labels: Sequence[int], num_classes: int) -> NDArray[np.float32]:
    """Return weights for the loss by which every class that has samples counts the same.

    Args:
        labels: Class ids of the training samples.

    Returns:
        float32 [num_classes], inverse to the class's frequency; their mean over the samples is 1.
        A class without samples has weight 0.
    """
    import numpy as np

    counts = np.bincount(np.asarray(labels, np.int64), minlength=num_classes)
    weights = np.zeros(num_classes, np.float32)
    present = counts > 0
    weights[present] = len(labels) / (np.count_nonzero(present) * counts[present])
    return weights
