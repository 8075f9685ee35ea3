"""Calibrate probabilities: fit a temperature and a threshold on held-out images.

A temperature T divides the logits (Guo et al. 2017, arXiv:1706.04599). Exported models give
probabilities, whose logarithms are logits but for a constant that the softmax takes out again, so
`p ** (1 / T)`, normalised, is the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.errors import DataError
from clsctl.evaluation.metrics import (
    Interval,
    expected_calibration_error,
    label_ranks,
    wilson_interval,
)
from clsctl.inference.temperature import (
    COLDEST,
    HOTTEST,
    KEY,
    apply_temperature,
    blocks,
    log_probabilities,
)
from clsctl.result import SCORE_DECIMALS, softmax

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


MOST_STEPS, ENOUGH = 100, 1e-10
"""A step that changes 1/T by less than the latter is the last."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold that reaches a target precision.

    Attributes:
        wanted: The target precision, 0 to 1.
        score: The lowest calibrated score at and above which the best class is right that often.
        precision: How often it was right there.
        interval: The 95 % confidence interval of that.
        coverage: Share of the samples that score at least so much.
    """

    wanted: float
    score: float
    precision: float
    interval: Interval
    coverage: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was fitted, and its effect on the samples it was fitted on.

    Attributes:
        nll: Mean negative log-likelihood before and after, in nats.
        ece: Expected calibration error before and after, 0 to 1.
        threshold: None where there is no target precision.
    """

    temperature: float
    samples: int
    nll: tuple[float, float]
    ece: tuple[float, float]
    threshold: Threshold | None = None


def calibrate(
    scores: NDArray[np.float32], labels: NDArray[np.int64], precision: float | None = None
) -> Calibration:
    """Fit a temperature, and a threshold where there is a target precision.

    Args:
        scores: Probabilities, float32 [N, C].
        labels: Class ids, int64 [N].
        precision: How often a best class that passes the threshold is to be right, 0 to 1.

    Raises:
        DataError: No threshold reaches that precision (`E_PRECISION`).
    """
    temperature = fit_temperature(scores, labels)
    after = apply_temperature(scores, temperature)
    correct = label_ranks(scores, labels) == 0
    return Calibration(
        temperature,
        len(labels),
        (mean_nll(scores, labels), mean_nll(after, labels)),
        (_ece(scores, correct), _ece(after, correct)),
        None if precision is None else fit_threshold(after.max(axis=1), correct, precision),
    )


def fit_temperature(
    scores: NDArray[np.float32],
    labels: NDArray[np.int64],
    sum_up: Callable[[Sequence[float]], list[float]] = list,
) -> float:
    """Find the temperature of the lowest mean negative log-likelihood, within 0.05 to 20.

    One below 1 makes scores no surer than that one in N + 2 is wrong.

    The likelihood is log-concave in 1/T. Newton's method finds the only peak; an interval that
    holds it is halved where a step would leave it, or is not much smaller than the one before.

    Args:
        scores: Probabilities, float32 [N, C].
        labels: Class ids, int64 [N].
        sum_up: Sums figures over all processes, where each has a part of the samples.
    """
    low, high = 1 / HOTTEST, 1 / COLDEST
    inverse, change = 1.0, math.inf
    for _ in range(MOST_STEPS):
        slope, curvature = sum_up(_derivatives(scores, labels, inverse))
        # Without curvature all scores of a sample are equal, whatever divides them.
        step = slope / curvature if curvature > 0 else 0.0
        low, high = (inverse, high) if slope > 0 else (low, inverse)
        if min(abs(step), high - low) < ENOUGH:
            break
        if abs(step) > abs(change) / 2 or not low < inverse + step < high:
            step = (low + high) / 2 - inverse
        inverse, change = inverse + step, step
    return float(1 / _allowing_for_errors(scores, inverse, sum_up))


def _allowing_for_errors(
    scores: NDArray[np.float32], inverse: float, sum_up: Callable[[Sequence[float]], list[float]]
) -> float:
    """Make scores no surer than so many samples tell: of N without an error, one in N + 2 is wrong.

    That is Laplace's rule of succession. Without it a network that is never wrong on the samples
    would become certain of everything.
    """
    (samples,) = sum_up([len(scores)])

    def are_too_sure(inverse: float) -> bool:
        (errors,) = sum_up([_expected_errors(scores, inverse)])
        return errors * (samples + 2) < samples

    if inverse <= 1 or not are_too_sure(inverse):
        return inverse
    low, high = 1.0, inverse
    while high - low > ENOUGH:
        middle = (low + high) / 2
        low, high = (low, middle) if are_too_sure(middle) else (middle, high)
    return low


def _expected_errors(scores: NDArray[np.float32], inverse: float) -> float:
    """Return how many samples' best classes are wrong if the scores are right."""
    best = (
        softmax(log_probabilities(scores[rows]) * inverse).max(axis=1) for rows in blocks(scores)
    )
    return float(sum((1 - part).sum() for part in best))


def _derivatives(
    scores: NDArray[np.float32], labels: NDArray[np.int64], inverse: float
) -> tuple[float, float]:
    """Differentiate the log-likelihood by 1/T, once, and twice with the sign turned."""
    import numpy as np

    slope = curvature = 0.0
    for rows in blocks(scores):
        logits = log_probabilities(scores[rows])
        probabilities = softmax(logits * inverse)
        mean = (probabilities * logits).sum(axis=1)
        deviations = logits - mean[:, np.newaxis]
        slope += deviations[np.arange(len(mean)), labels[rows]].sum()
        curvature += (probabilities * deviations**2).sum()
    return slope, curvature


def nll(scores: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute the negative log-likelihood of each sample's right class, in nats, float64 [N]."""
    import numpy as np

    likelihoods = log_probabilities(scores[np.arange(len(labels)), labels])
    return 0.0 - likelihoods  # of 0 it is 0, not -0


def mean_nll(scores: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """Compute the mean negative log-likelihood of the right classes, in nats."""
    return float(nll(scores, labels).mean())


def fit_threshold(
    confidences: NDArray[np.float32], correct: NDArray[np.bool_], precision: float
) -> Threshold:
    """Find the lowest threshold at and above which the best class is right often enough.

    Args:
        confidences: Scores of the best classes, float32 [N]; rounded here as predict rounds them.
        correct: Whether the best class is the right one, bool [N].
        precision: What is often enough, 0 to 1.

    Raises:
        DataError: No threshold is high enough (`E_PRECISION`).
    """
    import numpy as np

    # What predict shows is float32, and a threshold in float64 must not fall above it.
    rounded = np.around(confidences, SCORE_DECIMALS)
    values, places = np.unique(rounded, return_inverse=True)
    kept = np.bincount(places)[::-1].cumsum()[::-1]
    hits = np.bincount(places, weights=correct)[::-1].cumsum()[::-1]
    good = np.flatnonzero(hits / kept >= precision)
    if len(good) == 0:
        raise DataError(
            f"no threshold gives a precision of {precision:g}: the best is "
            f"{(hits / kept).max():.4f}, on {len(correct)} images",
            code="E_PRECISION",
            hint="ask for less, or train further",
        )
    at = good[0]
    share = float(hits[at] / kept[at])
    interval = wilson_interval(float(hits[at]), float(kept[at]))
    score = round(float(values[at]), SCORE_DECIMALS)
    return Threshold(precision, score, share, interval, float(kept[at] / len(correct)))


def _ece(scores: NDArray[np.float32], correct: NDArray[np.bool_]) -> float:
    return expected_calibration_error(scores.max(axis=1), correct)


# ---- in a model directory ----------------------------------------------------------------------


def save_calibration(directory: Path, calibration: Calibration, facts: dict[str, Any]) -> None:
    """Store it in the directory's clsctl.json, beside what that says already.

    Args:
        facts: What it was fitted on, such as the dataset and the split.
    """
    from clsctl.models.provenance import record
    from clsctl.system.os_errors import translate_store_errors

    elsewhere = "copy the model to a folder that you can write to"
    with translate_store_errors(directory, elsewhere, f"free some space, or {elsewhere}"):
        record(directory, {}, **{KEY: facts | asdict(calibration)})
