"""Calibrate probabilities: fit a temperature and a threshold on held-out images.

A temperature T divides the logits (Guo et al. 2017, arXiv:1706.04599). Exported models give
probabilities, whose logarithms are logits but for a constant that the softmax takes out again, so
`p ** (1 / T)`, normalised, is the same.
"""

from __future__ import annotations

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
    log_probabilities,
)
from clsctl.result import SCORE_DECIMALS, softmax

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


HALVINGS = 40
"""They leave a range of 2e-11 in 1/T."""


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

    The likelihood is log-concave in 1/T, so halving an interval by its slope finds the only peak.

    Args:
        scores: Probabilities, float32 [N, C].
        labels: Class ids, int64 [N].
        sum_up: Sums figures over all processes, where each has a part of the samples.
    """
    import numpy as np

    logits = log_probabilities(scores)
    own = logits[np.arange(len(labels)), labels].sum()
    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        expected = (softmax(logits * middle) * logits).sum()
        (slope,) = sum_up([own - expected])
        low, high = (middle, high) if slope > 0 else (low, middle)
    return float(2 / (low + high))


def nll(scores: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute the negative log-likelihood of each sample's right class, in nats, float64 [N]."""
    import numpy as np

    likelihoods = log_probabilities(scores)[np.arange(len(labels)), labels]
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
