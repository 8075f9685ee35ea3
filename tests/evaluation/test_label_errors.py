from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsctl.evaluation.label_errors import doubted_labels, suspected_labels


def test_the_rule_on_a_case_worked_by_hand():
    scores = np.array(
        [
            [0.9, 0.1, 0.0],  # labelled 0: threshold of class 0 is (0.9 + 0.6 + 0.2) / 3 = 0.567
            [0.6, 0.4, 0.0],
            [0.2, 0.8, 0.0],  # class 1 reaches its threshold of (0.7 + 0.5) / 2 = 0.6
            [0.3, 0.7, 0.0],
            [0.5, 0.5, 0.0],  # class 0 is as probable, but reaches no threshold
        ]
    )
    found = doubted_labels(scores, np.array([0, 0, 0, 1, 1]))
    assert found.indices.tolist() == [2]
    assert found.suggested.tolist() == [1]


def test_the_most_doubtful_comes_first_and_an_unused_class_is_never_suggested():
    scores = np.array([[0.4, 0.6, 0], [0.1, 0.9, 0], [0.8, 0.2, 0], [0.2, 0.5, 0.3], [0, 0, 1.0]])
    found = doubted_labels(scores, np.array([0, 0, 0, 1, 1]))
    assert found.indices.tolist() == [1, 0]
    assert found.suggested.tolist() == [1, 1]


@given(st.lists(st.integers(0, 3), min_size=1), st.floats(0.5, 1))
def test_a_model_that_agrees_with_every_label_suspects_none(labels, sure):
    scores = np.full((len(labels), 4), (1 - sure) / 3)
    scores[np.arange(len(labels)), labels] = sure
    assert suspected_labels(scores, np.array(labels)).indices.size == 0
    assert doubted_labels(scores, np.array(labels)).indices.size == 0


def modelled(samples, classes, strength, wrong, seed=0):
    """Scores of a calibrated model, labels of which that share is wrong, and which these are."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, samples)
    logits = strength * rng.normal(size=(samples, classes))
    logits[np.arange(samples), truth] += strength**2
    scores = np.exp(logits - logits.max(axis=1, keepdims=True))
    is_wrong = rng.random(samples) < wrong
    labels = np.where(is_wrong, (truth + rng.integers(1, classes, samples)) % classes, truth)
    return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32), labels, is_wrong


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("samples", "strength", "wrong"), [(1000, 4, 0.03), (2000, 2, 0.05)])
def test_it_says_how_many_of_the_suspected_labels_are_wrong(samples, strength, wrong, seed):
    """Of 1,000 labels by a model of 98 % and of 2,000 by one of 67 %, where most are right."""
    scores, labels, is_wrong = modelled(samples, 10, strength, wrong, seed)
    found = suspected_labels(scores, labels)
    right = is_wrong[found.indices].sum()
    # A count of independent events strays by three times its root once in 370 cases.
    assert abs(found.wrong - right) < 3 * right**0.5
    assert len(found.indices) > 0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("samples", "strength"), [(48, 2), (200, 2), (1000, 4), (2000, 2)], ids=str
)
def test_where_every_label_is_right_none_is_suspected(samples, strength, seed):
    """48 labels by a model of about 70 % are what it doubts itself."""
    scores, labels, _ = modelled(samples, 10, strength, wrong=0, seed=seed)
    found = suspected_labels(scores, labels)
    assert (len(found.indices), found.wrong) == (0, 0)
    assert found.withheld == len(doubted_labels(scores, labels).indices)


@pytest.mark.parametrize("heat", [0.3, 3])
def test_how_sure_a_model_claims_to_be_does_not_matter(heat):
    scores, labels, is_wrong = modelled(1000, 10, 4, 0.03)
    powers = scores ** (1 / heat)
    found = suspected_labels(powers / powers.sum(axis=1, keepdims=True), labels)
    right = is_wrong[found.indices].sum()
    assert abs(found.wrong - right) < 3 * right**0.5
    scores, labels, _ = modelled(1000, 10, 2, 0)
    powers = scores ** (1 / heat)
    assert len(suspected_labels(powers / powers.sum(axis=1, keepdims=True), labels).indices) == 0
