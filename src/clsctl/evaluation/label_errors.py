"""Find labels worth checking, by confident learning (Northcutt et al. 2021, arXiv:1911.00068).

A class's threshold is the mean probability that the model gives it on samples that carry its label:
how sure the model usually is when it is right. A sample is suspected where the most probable class
among those that reach their own threshold is not the one on its label. The model must not have been
trained on these samples, or it will have learnt the wrong labels by heart.

A weak model suspects right labels, too. So none is named unless it can tell wrong labels from its
own mistakes, by the rule of `clsctl.evaluation.label_noise`, which also says how many are wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from clsctl.evaluation.label_noise import estimate_noise

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Suspects(NamedTuple):
    """Samples with a doubtful label, the most doubtful first.

    Attributes:
        indices: int64 [M], places of the samples.
        suggested: int64 [M], the class that the model takes each for.
        wrong: How many of these labels are expected to be wrong.
        withheld: How many there would be if the model could tell wrong labels from its mistakes.
    """

    indices: NDArray[np.int64]
    suggested: NDArray[np.int64]
    wrong: float = 0.0
    withheld: int = 0


def suspected_labels(scores: NDArray[Any], labels: NDArray[np.int64]) -> Suspects:
    """Find labels worth checking, and say how many of them are wrong.

    Args and result are those of `doubted_labels`; there is none where the model is too weak to
    tell wrong labels from its own mistakes.
    """
    doubted = doubted_labels(scores, labels)
    if len(doubted.indices) == 0:
        return doubted
    noise = estimate_noise(scores, labels)
    if not noise.is_told:
        nothing = doubted.indices[:0]
        return Suspects(nothing, nothing, withheld=len(doubted.indices))
    return doubted._replace(wrong=float(noise.wrong[doubted.indices].sum()))


def doubted_labels(scores: NDArray[Any], labels: NDArray[np.int64]) -> Suspects:
    """Find samples for which another class scores as high as it usually does for its own.

    Args:
        scores: Probabilities, float [N, C], of a model that was not trained on these samples.
        labels: Class ids, int64 [N].

    Returns:
        Suspects in order of how much more probable the suggested class is than the label.
    """
    import numpy as np

    rows = np.arange(len(labels))
    sums = np.bincount(labels, weights=scores[rows, labels], minlength=scores.shape[1])
    counts = np.bincount(labels, minlength=scores.shape[1])
    # A class that no label names is never suggested: nothing tells how sure of it the model is.
    thresholds = np.divide(sums, counts, out=np.full(len(sums), np.inf), where=counts > 0)
    reached = np.where(scores >= thresholds, scores, -1)
    suggested = reached.argmax(axis=1)
    doubtful = np.flatnonzero((reached.max(axis=1) >= 0) & (suggested != labels))
    margins = scores[rows, suggested] - scores[rows, labels]
    order = doubtful[np.argsort(-margins[doubtful], kind="stable")]
    return Suspects(order, suggested[order])
