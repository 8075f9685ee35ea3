"""Find labels worth checking, by confident learning (Northcutt et al. 2021, arXiv:1911.00068).

A class's threshold is the mean probability that the model gives it on samples that carry its label:
how sure the model usually is when it is right. A sample is suspected where the most probable class
among those that reach their own threshold is not the one on its label. The model must not have been
trained on these samples, or it will have learnt the wrong labels by heart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Suspects(NamedTuple):
    """Samples with a doubtful label, the most doubtful first.

    Attributes:
        indices: int64 [M], places of the samples.
        suggested: int64 [M], the class that the model takes each for.
    """

    indices: NDArray[np.int64]
    suggested: NDArray[np.int64]


def suspected_labels(scores: NDArray[Any], labels: NDArray[np.int64]) -> Suspects:
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
