"""Fit logistic regressions to features, with the penalty that cross-validation finds.

The mean cross-entropy plus `penalty` times the squared weights is minimised by L-BFGS (Liu and
Nocedal 1989) along the features' principal axes, where the bound of Böhning (1992) on the curvature
is diagonal and makes a good first guess of it: some ten iterations take the place of hundreds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from clsctl.evaluation.calibration import fit_temperature, mean_nll
from clsctl.result import softmax

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

PENALTIES = tuple(10 ** (1 - step / 2) for step in range(13))
"""10 down to 1e-5, relative to the features' mean variance."""

FOLDS = 5
ITERATIONS, MEMORY = 100, 10
TOLERANCE = 1e-6
"""Relative decrease of the loss at which an iteration is the last."""

SMALLEST_AXIS = 1e-9
"""Axes of less than this share of the largest variance are rounding errors."""


class Classifier(NamedTuple):
    """A linear classifier: logits are `features @ weight + bias`.

    Attributes:
        weight: float64 [D, C].
        bias: float64 [C].
    """

    weight: Floats
    bias: Floats

    def logits(self, features: NDArray[np.floating]) -> Floats:
        """Compute logits float64 [N, C] for features [N, D]."""
        result: Floats = features @ self.weight + self.bias
        return result

    def divided(self, temperature: float) -> Classifier:
        """The same classifier, whose logits are divided by a temperature."""
        return Classifier(self.weight / temperature, self.bias / temperature)


@dataclass(frozen=True, slots=True, eq=False)
class CrossValidated:
    """The best penalty, and what it gives on samples that were left out.

    Attributes:
        penalty: Relative to the features' mean variance.
        logits: Of each sample by the classifier that was fitted without it, float64 [N, C].
        temperature: What divides them for the least negative log-likelihood.
        nll: That likelihood: its mean, in nats.
        correct: Which of them are classified correctly, bool [N].
    """

    penalty: float
    logits: Floats
    temperature: float
    nll: float
    correct: NDArray[np.bool_]


class Axes(NamedTuple):
    """The principal axes of features.

    Attributes:
        mean: float64 [D].
        basis: float64 [D, R], orthonormal columns.
        variance: float64 [R], along them.
        places: The features there, and a column of ones, float64 [N, R + 1].
    """

    mean: Floats
    basis: Floats
    variance: Floats
    places: Floats

    @property
    def scale(self) -> float:
        """The mean variance of the features."""
        return float(self.variance.sum() / len(self.mean))


def principal_axes(features: NDArray[np.floating]) -> Axes:
    """Rotate features [N, D] to their principal axes, of which there are fewer than N."""
    import numpy as np

    mean = features.mean(axis=0, dtype=np.float64)
    centred = features - mean
    variance, basis = np.linalg.eigh(centred.T @ centred / len(features))
    kept = variance > SMALLEST_AXIS * variance[-1]
    places = np.column_stack([centred @ basis[:, kept], np.ones(len(features))])
    return Axes(mean, basis[:, kept], variance[kept], places)


def fit(axes: Axes, labels: Ints, classes: int, penalty: float) -> Classifier:
    """Fit a classifier to all samples.

    Args:
        axes: Of their features.
        labels: Class ids, int64 [N].
        penalty: Relative to the features' mean variance.
    """
    import numpy as np

    theta = np.zeros((axes.places.shape[1], classes))
    theta = _fit(axes, np.arange(len(labels)), labels, penalty, theta)
    weight = axes.basis @ theta[:-1]
    return Classifier(weight, theta[-1] - axes.mean @ weight)


def cross_validate(
    axes: Axes,
    labels: Ints,
    classes: int,
    penalties: Sequence[float] = PENALTIES,
    seed: int = 0,
) -> CrossValidated:
    """Find the penalty whose left-out scores, calibrated, have the least negative log-likelihood.

    Penalties are tried in order, each from where the one before ended, until two in a row made it
    worse.

    Args:
        axes: Of the samples' features.
        labels: Class ids, int64 [N].
        penalties: Relative to the features' mean variance, from the strongest to the weakest.
        seed: Of the folds.
    """
    folds = stratified_folds(labels, seed)
    best: CrossValidated | None = None
    worse = 0
    for penalty, logits in _path(axes, labels, classes, folds, penalties):
        found = _judge(penalty, logits, labels)
        if best is None or found.nll < best.nll:
            best, worse = found, 0
        else:
            worse += 1
        if worse == 2:
            break
    assert best is not None
    return best


def stratified_folds(labels: Ints, seed: int) -> Ints:
    """Deal samples to folds at random, each class evenly; returns int64 [N], below FOLDS."""
    import numpy as np

    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    folds = np.empty(len(labels), np.int64)
    folds[order] = np.arange(len(labels)) % FOLDS
    return folds


def _path(
    axes: Axes, labels: Ints, classes: int, folds: Ints, penalties: Sequence[float]
) -> Iterator[tuple[float, Floats]]:
    """Yield each penalty with the logits of the samples that were left out."""
    import numpy as np

    thetas = [np.zeros((axes.places.shape[1], classes)) for _ in range(FOLDS)]
    for penalty in penalties:
        logits = np.empty((len(labels), classes))
        for fold in range(FOLDS):
            rows = np.flatnonzero(folds != fold)
            thetas[fold] = _fit(axes, rows, labels, penalty, thetas[fold])
            logits[folds == fold] = axes.places[folds == fold] @ thetas[fold]
        yield penalty, logits


def _judge(penalty: float, logits: Floats, labels: Ints) -> CrossValidated:
    import numpy as np

    temperature = fit_temperature(softmax(logits).astype(np.float32), labels)
    nll = mean_nll(softmax(logits / temperature), labels)
    return CrossValidated(penalty, logits, temperature, nll, logits.argmax(axis=1) == labels)


def _fit(axes: Axes, rows: Ints, labels: Ints, penalty: float, theta: Floats) -> Floats:
    """Fit weights and, in the last row, biases float64 [R + 1, C] to some samples."""
    import numpy as np

    x, classes = axes.places[rows], theta.shape[1]
    wanted = np.eye(classes)[labels[rows]]
    decay = np.full((len(theta), 1), 2 * penalty * axes.scale)
    decay[-1] = 0.0
    curvature = 0.5 * np.append(axes.variance, 1.0)[:, None] + decay

    def loss(theta: Floats) -> tuple[float, Floats]:
        probabilities = softmax(x @ theta)
        own = (probabilities * wanted).sum(axis=1)
        value = -np.log(np.maximum(own, 1e-300)).mean() + 0.5 * (decay * theta**2).sum()
        return float(value), x.T @ (probabilities - wanted) / len(x) + decay * theta

    return minimize(loss, theta, curvature)


def minimize(
    loss: Callable[[Floats], tuple[float, Floats]], start: Floats, curvature: Floats
) -> Floats:
    """Minimise a convex function by L-BFGS.

    Args:
        loss: Returns the value and the gradient.
        curvature: A guess of the second derivatives, of the shape of `start` or broadcast to it.
    """
    point, (value, gradient) = start, loss(start)
    steps: deque[tuple[Floats, Floats]] = deque(maxlen=MEMORY)
    for _ in range(ITERATIONS):
        direction = _direction(gradient, steps, curvature)
        slope = float((gradient * direction).sum())
        length = 1.0
        while (found := loss(point + length * direction))[0] > value + 1e-4 * length * slope:
            length /= 2
            if length < 1e-6:
                return point
        step, change = length * direction, found[1] - gradient
        decrease = value - found[0]
        point, (value, gradient) = point + step, found
        if decrease <= TOLERANCE * max(abs(value), 1e-3):
            break
        steps.append((step, change))
    return point


def _direction(gradient: Floats, steps: deque[tuple[Floats, Floats]], curvature: Floats) -> Floats:
    """Apply the inverse curvature, as the last steps have shown it, to the gradient."""
    direction, shares = -gradient, []
    for step, change in reversed(steps):
        share = (step * direction).sum() / (step * change).sum()
        direction = direction - share * change
        shares.append(share)
    direction = direction / curvature
    for (step, change), share in zip(steps, reversed(shares), strict=True):
        correction = share - (change * direction).sum() / (step * change).sum()
        direction = direction + correction * step
    return direction
