"""The solver finds the minimum; cross-validation finds a penalty and a temperature."""

from __future__ import annotations

import numpy as np
import pytest

from clsctl.training.start import logistic

CLASSES = 3
Arrays = tuple[np.ndarray, np.ndarray]


def draw(samples: int, spread: float = 2.0, dimensions: int = 40, seed: int = 0) -> Arrays:
    """Classes around centres that overlap the more, the larger the spread; axes of all scales."""
    rng = np.random.default_rng(seed)
    labels = np.arange(samples) % CLASSES
    centres = np.random.default_rng(9).standard_normal((CLASSES, dimensions))
    values = centres[labels] + spread * rng.standard_normal((samples, dimensions))
    return 5 + values * np.geomspace(1, 0.01, dimensions), labels


@pytest.mark.parametrize("samples", [300, 20], ids=["many", "fewer_than_features"])
def test_at_the_minimum_the_slope_is_zero(samples: int):
    features, labels = draw(samples)
    axes = logistic.principal_axes(features)
    fitted = logistic.fit(axes, labels, CLASSES, 0.01)
    logits = fitted.logits(features)
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    excess = (scores - np.eye(CLASSES)[labels]) / samples
    decay = 2 * 0.01 * features.var(axis=0).mean()
    slope = features.T @ excess + decay * fitted.weight
    # Of a loss that falls by less than 1e-6 in its last iteration; at 0 the slope is about 1.
    assert abs(slope).max() < 5e-3
    assert abs(excess.sum(axis=0)).max() < 1e-3


def test_what_rotation_and_shift_leave_alone():
    """The same classifier whatever the axes are, save for rounding in the last iteration."""
    features, labels = draw(200)
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((40, 40)))[0]
    moved = features @ rotation + 100
    plain, other = (
        logistic.fit(logistic.principal_axes(x), labels, CLASSES, 0.03).logits(x)
        for x in (features, moved)
    )
    assert other == pytest.approx(plain, abs=1e-3)


def test_few_samples_need_a_stronger_penalty():
    def penalty(samples: int) -> float:
        features, labels = draw(samples, 4.0)
        return logistic.cross_validate(logistic.principal_axes(features), labels, CLASSES).penalty

    assert penalty(60) > 5 * penalty(3000)


def test_the_penalty_is_as_good_on_new_samples_as_any():
    features, labels = draw(60, 4.0)
    others, right = draw(3000, 4.0, seed=1)
    axes = logistic.principal_axes(features)

    def accuracy(penalty: float) -> float:
        logits = logistic.fit(axes, labels, CLASSES, penalty).logits(others)
        return float((logits.argmax(axis=1) == right).mean())

    worst, *_, best = sorted(accuracy(penalty) for penalty in logistic.PENALTIES)
    # 0.01 is one standard error of an accuracy on 3,000 samples.
    assert accuracy(logistic.cross_validate(axes, labels, CLASSES).penalty) > best - 0.02
    assert worst < best - 0.03


@pytest.mark.parametrize("penalty", [3.0, 1e-4], ids=["unsure", "too_sure"])
def test_the_temperature_makes_left_out_scores_likelier(penalty: float):
    features, labels = draw(300, 4.0)
    found = logistic.cross_validate(logistic.principal_axes(features), labels, CLASSES, [penalty])
    own = found.logits - np.log(np.exp(found.logits).sum(axis=1, keepdims=True))
    assert found.nll < -own[np.arange(300), labels].mean() - 0.01
    assert (found.temperature < 1) == (penalty == 3.0)
    assert found.correct.mean() > 0.5


def test_dividing_by_a_temperature_keeps_the_order_of_classes():
    features, labels = draw(100)
    fitted = logistic.fit(logistic.principal_axes(features), labels, CLASSES, 0.1)
    logits, divided = fitted.logits(features), fitted.divided(2.5).logits(features)
    assert divided == pytest.approx(logits / 2.5)
    assert (divided.argsort(axis=1) == logits.argsort(axis=1)).all()


def test_each_fold_has_its_share_of_each_class():
    labels = np.repeat([0, 1, 2], [50, 23, 3])
    folds = logistic.stratified_folds(labels, 0)
    for label, count in enumerate((50, 23, 3)):
        held = np.bincount(folds[labels == label], minlength=logistic.FOLDS)
        assert held.max() - held.min() <= 1
        assert held.sum() == count
    assert (logistic.stratified_folds(labels, 0) == folds).all()
    assert (logistic.stratified_folds(labels, 1) != folds).any()
