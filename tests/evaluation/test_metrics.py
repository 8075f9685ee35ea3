"""Known values were computed once with scikit-learn 1.9.1 and SciPy 1.17.1, or by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsctl.evaluation import metrics

LABELS = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 2])
PREDICTED = np.array([0, 0, 1, 1, 2, 2, 2, 2, 0, 1])


@st.composite
def scored(draw, classes=5):
    """Scores with many ties, and labels."""
    count = draw(st.integers(1, 20))
    rows = st.lists(st.integers(0, 3), min_size=classes, max_size=classes)
    scores = np.array(draw(st.lists(rows, min_size=count, max_size=count)), np.float32)
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=count, max_size=count))
    return scores, np.array(labels)


@given(scored())
def test_a_rank_is_the_place_in_a_stable_sort(case):
    scores, labels = case
    order = np.argsort(-scores, axis=1, kind="stable")
    places = [row.tolist().index(label) for row, label in zip(order, labels, strict=True)]
    assert metrics.label_ranks(scores, labels).tolist() == places


@given(scored())
def test_top_k_grows_with_k_up_to_1_and_top_1_is_argmax(case):
    scores, labels = case
    shares = [(metrics.label_ranks(scores, labels) < k).mean() for k in range(1, 6)]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert shares[0] == (scores.argmax(axis=1) == labels).mean()


def test_a_score_that_is_no_number_makes_nothing_right():
    nothing = np.full((1, 3), np.nan, np.float32)
    assert metrics.label_ranks(nothing, np.array([0])) == 3
    one = np.array([[np.nan, 0.9]], np.float32)
    assert metrics.label_ranks(one, np.array([1])) == 1


def test_confusion_matrix_and_class_scores():
    matrix = metrics.confusion_matrix(LABELS, PREDICTED, 4)
    assert matrix.tolist() == [[2, 1, 0, 0], [0, 1, 1, 0], [1, 1, 3, 0], [0, 0, 0, 0]]
    found = metrics.class_scores(matrix)
    assert found.precision == pytest.approx([2 / 3, 1 / 3, 3 / 4, 0])
    assert found.recall == pytest.approx([2 / 3, 1 / 2, 3 / 5, 0])
    assert found.f1 == pytest.approx([2 / 3, 2 / 5, 2 / 3, 0])
    assert found.support.tolist() == [3, 2, 5, 0]


def test_means_leave_out_classes_that_do_not_occur():
    matrix = metrics.confusion_matrix(LABELS, PREDICTED, 4)
    found = metrics.class_scores(matrix)
    assert metrics.macro_mean(matrix, found.f1) == pytest.approx(0.577777777777778)
    assert metrics.weighted_mean(matrix, found.f1) == pytest.approx(0.613333333333333)
    assert metrics.macro_mean(matrix, found.precision) == pytest.approx(0.583333333333333)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1))
def test_weighted_recall_is_accuracy(pairs):
    labels, predicted = np.array(pairs).T
    matrix = metrics.confusion_matrix(labels, predicted, 4)
    assert matrix.sum() == len(pairs)
    recall = metrics.weighted_mean(matrix, metrics.class_scores(matrix).recall)
    assert recall == pytest.approx((labels == predicted).mean())


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [
        (8, 10, 0.490162471536642, 0.943317848545625),
        (0, 20, 0.0, 0.161125158052819),
        (20, 20, 0.838874841947181, 1.0),
        (937, 1000, 0.920205076295354, 0.950450336788271),
    ],
)
def test_wilson_interval(successes, total, low, high):
    assert metrics.wilson_interval(successes, total) == pytest.approx((low, high), abs=1e-9)


@given(st.integers(1, 10_000), st.data())
def test_wilson_interval_solves_its_equation(total, data):
    """At either end the share is exactly 1.96 standard errors away."""
    successes = data.draw(st.integers(1, total))
    low, high = metrics.wilson_interval(successes, total)
    share = successes / total
    assert 0 <= low <= share <= high <= 1
    error = metrics.Z_95 * math.sqrt(low * (1 - low) / total)
    assert share - low == pytest.approx(error, abs=1e-9)


def test_without_samples_nothing_is_known():
    assert metrics.wilson_interval(0, 0) == (0.0, 1.0)


def test_calibration_error_by_hand():
    confidences = np.array([0.05, 0.95, 0.95, 0.95, 0.95])
    correct = np.array([False, True, True, True, False])
    bins = metrics.reliability_bins(confidences, correct, 10)
    assert bins.samples.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 4]
    assert bins.accuracy[9] == 0.75
    assert bins.confidence[9] == pytest.approx(0.95)
    error = metrics.expected_calibration_error(confidences, correct, 10)
    assert error == pytest.approx((1 * 0.05 + 4 * 0.2) / 5)


def test_a_bin_holds_its_upper_edge():
    bins = metrics.reliability_bins(np.array([0.0, 0.5, 1.0]), np.ones(3, bool), 2)
    assert bins.samples.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("only_first", "only_second", "p_value"),
    [
        (0, 0, 1.0),
        (5, 5, 1.0),
        (1, 9, 0.021484375),
        (10, 25, 0.01667384780012071),
        (0, 20, 2 / 2**20),
    ],
)
def test_mcnemar(only_first, only_second, p_value):
    first = np.repeat([True, False, True], [only_first, only_second, 30])
    second = np.repeat([False, True, True], [only_first, only_second, 30])
    found = metrics.compare_paired(first, second)
    assert (found.only_first, found.only_second) == (only_first, only_second)
    assert found.p_value == pytest.approx(p_value, rel=1e-4)
    assert found.difference == (only_second - only_first) / len(first)
    assert found.interval[0] <= found.difference <= found.interval[1]


def test_mcnemar_on_very_many_samples():
    first = np.arange(40_000) % 2 == 0
    found = metrics.compare_paired(first, ~first)
    assert found.p_value == 1
    assert found.interval == pytest.approx((-0.0098, 0.0098), abs=1e-4)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def test_comparing_the_other_way_round_mirrors_everything(pairs):
    first, second = np.array(pairs).T
    one, other = metrics.compare_paired(first, second), metrics.compare_paired(second, first)
    assert one.p_value == other.p_value
    assert one.difference == -other.difference
    assert one.interval == pytest.approx((-other.interval[1], -other.interval[0]))


@given(st.lists(st.tuples(*[st.booleans()] * 2, st.integers(0, 3)), min_size=1))
def test_balanced_accuracies_are_compared_as_accuracies_are_where_classes_are_alike(samples):
    first, second = (np.array([sample[place] for sample in samples]) for place in (0, 1))
    labels = np.array([label for *_, label in samples])
    one_class = metrics.compare_balanced(first, second, np.zeros(len(samples), int))
    paired = metrics.compare_paired(first, second)
    assert one_class == (paired.difference, paired.interval)
    gain, (low, high) = metrics.compare_balanced(first, second, labels)
    by_label = [metrics.balanced_mean(right, labels) for right in (first, second)]
    assert gain == pytest.approx(by_label[1] - by_label[0])
    other = metrics.compare_balanced(second, first, labels)
    assert (-gain, (-high, -low)) == (pytest.approx(other[0]), pytest.approx(other[1]))


def test_a_rare_class_counts_as_much_as_a_frequent_one():
    """One model finds all of 200 images and none of 20, the other 190 of 200 and all of 20."""
    labels = np.repeat([0, 1], [200, 20])
    first = labels == 0
    second = np.repeat([False, True], [10, 210])
    assert metrics.balanced_mean(first, labels) == 0.5
    assert metrics.balanced_mean(second, labels) == pytest.approx(0.975)
    gain, (low, high) = metrics.compare_balanced(first, second, labels)
    assert gain == pytest.approx(0.475)
    assert 0.35 < low < gain < high
    assert metrics.compare_paired(first, second).interval[0] < 0.1
