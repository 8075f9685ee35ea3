"""Measure scores: accuracy, per-class figures, calibration, intervals and a paired test.

Everything is exact arithmetic on NumPy arrays; nothing here knows where scores come from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

Z_95 = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""

Interval = tuple[float, float]


# ---- accuracy ----------------------------------------------------------------------------------


def label_ranks(scores: NDArray[Any], labels: NDArray[Any]) -> Ints:
    """Rank the right classes: how many come before each; of equal scores the lower id is first.

    Args:
        scores: float [N, C]. A score that is not a number makes no sample right.
        labels: int [N], below C.

    Returns:
        int64 [N]; 0 where the right class is the best.
    """
    import numpy as np

    own = scores[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(scores.shape[1]) < np.asarray(labels)[:, None]
    before = ~(scores <= own) | ((scores == own) & earlier)
    ranks: Ints = before.sum(axis=1, dtype=np.int64)
    return ranks


def wilson_interval(successes: float, total: float) -> Interval:
    """Return the 95 % interval of a share, 0 to 1 (Wilson 1927); without samples, all of it."""
    if total == 0:
        return 0.0, 1.0
    share, z2 = successes / total, Z_95**2
    centre = share + z2 / (2 * total)
    spread = Z_95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    low, high = ((centre + sign * spread) / (1 + z2 / total) for sign in (-1, 1))
    # Exactly, where rounding would leave a trace.
    return 0.0 if successes == 0 else low, 1.0 if successes == total else high


# ---- classes -----------------------------------------------------------------------------------


class ClassScores(NamedTuple):
    """Figures by class id, 0 where a figure is undefined.

    Attributes:
        precision: float64 [C], share of the samples given this class that are of it.
        recall: float64 [C], share of the samples of this class that are given it.
        f1: float64 [C], harmonic mean of the two.
        support: int64 [C], samples of the class.
    """

    precision: Floats
    recall: Floats
    f1: Floats
    support: Ints


def confusion_matrix(labels: NDArray[Any], predicted: NDArray[Any], classes: int) -> Ints:
    """Count samples by right class (row) and predicted class (column), int64 [classes, classes]."""
    import numpy as np

    cells = np.asarray(labels, np.int64) * classes + predicted
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def class_scores(matrix: Ints) -> ClassScores:
    """Compute precision, recall, F1 and support of each class of a confusion matrix."""
    hits, support, given = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    return ClassScores(
        _ratio(hits, given), _ratio(hits, support), _ratio(2 * hits, given + support), support
    )


def balanced_mean(values: NDArray[Any], labels: NDArray[Any]) -> float:
    """Average over samples so that each class counts the same.

    Args:
        values: [N], of each sample. Of which are classified correctly, the balanced accuracy comes.
        labels: int [N], their classes.
    """
    import numpy as np

    return float(np.mean([values[labels == label].mean() for label in np.unique(labels)]))


def macro_mean(matrix: Ints, figures: Floats) -> float:
    """Average over the classes that occur, as right class or as predicted one."""
    occurs = matrix.sum(axis=0) + matrix.sum(axis=1) > 0
    return float(figures[occurs].mean())


def weighted_mean(matrix: Ints, figures: Floats) -> float:
    """Average over the classes, weighted by how many samples each has."""
    support = matrix.sum(axis=1)
    return float((figures * support).sum() / support.sum())


# ---- calibration -------------------------------------------------------------------------------


class Bins(NamedTuple):
    """A reliability diagram.

    Attributes:
        samples: int64 [bins], samples in each of equally wide bins of confidence; the first bin
            includes 0, and each its upper edge.
        confidence: float64 [bins], their mean confidence; 0 for an empty bin.
        accuracy: float64 [bins], how many of them are right, 0 to 1; 0 for an empty bin.
    """

    samples: Ints
    confidence: Floats
    accuracy: Floats


def reliability_bins(confidences: NDArray[Any], correct: NDArray[Any], bins: int = 15) -> Bins:
    """Compare confidence with accuracy, bin by bin.

    Args:
        confidences: float [N], the best class's probability.
        correct: bool [N], whether the best class is the right one.
    """
    import numpy as np

    places = np.ceil(np.asarray(confidences, np.float64) * bins).astype(np.int64) - 1
    places = places.clip(0, bins - 1)
    count, confidence, hits = (
        np.bincount(places, weights=weights, minlength=bins)
        for weights in (np.ones(len(places)), confidences, correct)
    )
    return Bins(count.astype(np.int64), _ratio(confidence, count), _ratio(hits, count))


def expected_calibration_error(
    confidences: NDArray[Any], correct: NDArray[Any], bins: int = 15
) -> float:
    """Average the gap between confidence and accuracy, 0 to 1 (Guo et al., arXiv:1706.04599)."""
    found = reliability_bins(confidences, correct, bins)
    gaps = abs(found.confidence - found.accuracy)
    return float((gaps * found.samples).sum() / found.samples.sum())


# ---- two models --------------------------------------------------------------------------------


class Comparison(NamedTuple):
    """Two models on the same samples.

    Attributes:
        only_first: Samples that only the first got right.
        only_second: Samples that only the second got right.
        difference: Accuracy of the second minus that of the first, -1 to 1.
        interval: Its 95 % confidence interval.
        p_value: How likely samples this uneven are if both models are equally good.
    """

    only_first: int
    only_second: int
    difference: float
    interval: Interval
    p_value: float


def compare_paired(first: NDArray[Any], second: NDArray[Any]) -> Comparison:
    """Apply McNemar's exact test (two-sided) and the paired interval of Agresti and Min 2005.

    Args:
        first: bool [N], which samples the first model got right.
        second: bool [N], the same of the second model.
    """
    only_first, only_second, total = _paired(first, second)
    difference = (only_second - only_first) / total
    return Comparison(
        only_first,
        only_second,
        difference,
        _paired_interval([(only_first, only_second, total)]),
        _sign_test(only_first, only_second),
    )


def compare_balanced(
    first: NDArray[np.bool_], second: NDArray[np.bool_], labels: NDArray[Any]
) -> tuple[float, Interval]:
    """Compare balanced accuracies: `compare_paired` where each class counts the same.

    Args:
        first: bool [N], which samples the first model got right.
        second: bool [N], the same of the second model.
        labels: int [N], their classes.

    Returns:
        That of the second minus that of the first, -1 to 1, and its 95 % confidence interval.
    """
    import numpy as np

    of_classes = [labels == label for label in np.unique(labels)]
    found = [_paired(first[one], second[one]) for one in of_classes]
    difference = float(np.mean([(c - b) / n for b, c, n in found]))
    return difference, _paired_interval(found)


def _paired(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> tuple[int, int, int]:
    """Count the samples that only one of two models got right, and all."""
    return int((first & ~second).sum()), int((second & ~first).sum()), len(first)


def _paired_interval(counts: Sequence[tuple[int, int, int]]) -> Interval:
    """Of the mean difference of groups of samples, each as `_paired` counts it.

    Half a sample is added to each of a group's four cells, so that few samples claim little.
    """
    cells = [(b + 0.5, c + 0.5, n + 2) for b, c, n in counts]
    centre = sum((c - b) / n for b, c, n in cells) / len(cells)
    variance = sum((b + c - (c - b) ** 2 / n) / n**2 for b, c, n in cells) / len(cells) ** 2
    spread = Z_95 * math.sqrt(variance)
    return max(-1.0, centre - spread), min(1.0, centre + spread)


def _sign_test(one: int, other: int) -> float:
    """Compute the chance that fair coins fall as unevenly as `one` against `other`, exactly."""
    trials = one + other
    ways = tail = 1
    for heads in range(min(one, other)):
        ways = ways * (trials - heads) // (heads + 1)
        tail += ways
    # Dividing whole numbers rounds once, however large they are.
    return min(1.0, 2 * tail / (1 << trials))


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> Floats:
    import numpy as np

    shares: Floats = np.divide(above, below, out=np.zeros(len(below)), where=below > 0)
    return shares
