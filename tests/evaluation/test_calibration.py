from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clsctl.errors import DataError
from clsctl.evaluation.calibration import calibrate, fit_temperature, fit_threshold, mean_nll
from clsctl.inference.temperature import apply_temperature


def drawn(temperature: float, count: int = 4000):
    """Labels drawn from the true probabilities, and scores that are too sharp by `temperature`."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (count, 4))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (true.cumsum(axis=1) > rng.random((count, 1))).argmax(axis=1)
    powers = true**temperature
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_spoilt_the_scores_is_found(temperature):
    scores, labels = drawn(temperature)
    assert fit_temperature(scores, labels) == pytest.approx(temperature, rel=0.06)


@settings(max_examples=25)
@given(st.floats(0.1, 10))
def test_no_other_temperature_has_a_lower_nll(other):
    scores, labels = drawn(2.0, 300)
    best = apply_temperature(scores, fit_temperature(scores, labels))
    assert mean_nll(best, labels) <= mean_nll(apply_temperature(scores, other), labels) + 1e-6


@given(st.floats(0.2, 5), st.floats(0.2, 5))
def test_temperatures_multiply_and_keep_the_order(one, other):
    scores, _ = drawn(1.0, 20)
    both = apply_temperature(apply_temperature(scores, one), other)
    assert both == pytest.approx(apply_temperature(scores, one * other), abs=1e-4)
    assert both.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (both.argmax(axis=1) == scores.argmax(axis=1)).all()


def test_samples_need_not_fit_a_block():
    """With four classes a block has 4,096: samples that come again and again change nothing."""
    scores, labels = drawn(3.0, 1000)
    often = np.tile(scores, (9, 1))
    fitted = fit_temperature(scores, labels)
    assert fit_temperature(often, np.tile(labels, 9)) == pytest.approx(fitted, rel=1e-8)
    after = apply_temperature(scores, fitted)
    assert apply_temperature(often, fitted) == pytest.approx(np.tile(after, (9, 1)), rel=1e-6)


def test_a_temperature_of_1_changes_nothing():
    scores, _ = drawn(1.0, 20)
    assert (apply_temperature(scores, 1.0) == scores).all()


@given(st.integers(10, 400), st.floats(0.4, 0.9))
def test_a_model_that_is_never_wrong_is_not_made_certain(count, sure):
    """Of N samples without an error, one in N + 2 is taken to be wrong (the rule of succession)."""
    scores = np.tile(np.float32([sure, *[(1 - sure) / 3] * 3]), (count, 1))
    after = apply_temperature(scores, fit_temperature(scores, np.zeros(count, np.int64)))
    assert 1 - after[0, 0] == pytest.approx(1 / (count + 2), rel=1e-3)


def test_a_model_that_is_surer_than_its_samples_tell_stays_as_it_is():
    scores = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    assert fit_temperature(scores, np.array([0, 1])) == 1


def test_scores_of_0_and_1_stay_numbers():
    scores = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    fitted = calibrate(scores, np.array([0, 0, 1, 0]))
    assert fitted.temperature > 1
    assert fitted.nll[1] < fitted.nll[0]
    assert fitted.ece[1] < fitted.ece[0]


def test_the_threshold_is_the_lowest_that_is_precise_enough():
    confidences = np.array([0.5, 0.6, 0.7, 0.8, 0.9], np.float32)
    correct = np.array([False, True, False, True, True])
    found = fit_threshold(confidences, correct, 0.75)
    assert (found.score, found.precision, found.coverage) == (0.6, 0.75, 0.8)
    assert fit_threshold(confidences, correct, 1.0).score == 0.8
    assert fit_threshold(confidences, correct, 0.6).score == 0.5


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1), st.floats(0, 1))
def test_what_predict_shows_above_the_threshold_has_the_precision(pairs, wanted):
    confidences = np.array([confidence for confidence, _ in pairs], np.float32)
    correct = np.array([right for _, right in pairs])
    rounded = np.around(confidences, 5)
    wanted *= float(correct[rounded == rounded.max()].mean())  # what is in reach for sure
    found = fit_threshold(confidences, correct, wanted)
    shown = rounded >= np.float32(found.score)
    assert correct[shown].mean() >= wanted
    assert shown.mean() == pytest.approx(found.coverage)


def test_a_precision_out_of_reach_says_what_is_in_reach():
    with pytest.raises(DataError, match=r"the best is 0\.5000, on 2 images"):
        fit_threshold(np.array([0.9, 0.9], np.float32), np.array([True, False]), 0.9)


def test_perfect_scores_have_no_loss():
    assert str(mean_nll(np.eye(3, dtype=np.float32), np.arange(3))) == "0.0"
