"""What the losses have to be, by other ways to compute it."""

from __future__ import annotations

import numpy as np
import pytest

from clsctl.loading.sampling import log_frequencies
from clsctl.training.optimization.losses import classification_loss

paddle = pytest.importorskip("paddle", reason="computes the losses")

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 3, (8, 4)).astype("f4")
TARGETS = np.eye(4, dtype="f4")[RNG.integers(0, 4, 8)]
LABELS = [0] * 50 + [1] * 25 + [2] * 20 + [3] * 5


def loss(logits: np.ndarray = LOGITS, targets: np.ndarray = TARGETS, **options: object) -> float:
    arrays = {
        name: paddle.to_tensor(value) if isinstance(value, np.ndarray) else value
        for name, value in options.items()
    }
    return float(classification_loss(paddle.to_tensor(logits), paddle.to_tensor(targets), **arrays))


def probabilities() -> np.ndarray:
    """Of the right classes, in float64."""
    exact = np.exp(LOGITS.astype("f8"))
    return (exact / exact.sum(axis=1, keepdims=True))[TARGETS > 0]


def test_plain_is_cross_entropy() -> None:
    assert loss() == pytest.approx(-np.log(probabilities()).mean(), rel=1e-5)


def test_gamma_0_is_plain_and_gamma_counts_the_easy_less() -> None:
    assert loss(focal_gamma=0.0) == loss()
    p = probabilities()
    assert loss(focal_gamma=2.0) == pytest.approx(-((1 - p) ** 2 * np.log(p)).mean(), rel=1e-5)


def test_adjusting_by_classes_that_are_as_frequent_is_plain() -> None:
    """A constant that all logits have in common is no matter to the softmax."""
    adjustment = log_frequencies([0, 1, 2, 3] * 5, 4)
    assert loss(adjustment=adjustment) == pytest.approx(loss(), rel=1e-5)


@pytest.mark.parametrize(("adjusted", "most"), [(True, 1e-6), (False, 0.3)])
def test_logits_that_know_nothing_are_at_rest_where_frequency_is_taken_out(adjusted, most) -> None:
    """Of images that say nothing, all classes stay equally likely; without it, rare ones fall."""
    logits = paddle.zeros([len(LABELS), 4])
    logits.stop_gradient = False
    targets = paddle.to_tensor(np.eye(4, dtype="f4")[LABELS])
    adjustment = paddle.to_tensor(log_frequencies(LABELS, 4)) if adjusted else None
    classification_loss(logits, targets, adjustment=adjustment).backward()
    pull = np.abs(logits.grad.numpy().sum(axis=0)).max()
    assert pull <= most
    assert adjusted or pull == pytest.approx(
        0.25, abs=1e-6
    )  # .5 of the images, of which 1/4 was due


def test_frequencies_are_shares_and_a_class_without_samples_has_one() -> None:
    shares = np.exp(log_frequencies([0, 0, 0, 2], 3))
    np.testing.assert_allclose(shares, [0.75, 0.25, 0.25], rtol=1e-6)
