from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clsctl.evaluation.label_errors import suspected_labels


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
    found = suspected_labels(scores, np.array([0, 0, 0, 1, 1]))
    assert found.indices.tolist() == [2]
    assert found.suggested.tolist() == [1]


def test_the_most_doubtful_comes_first_and_an_unused_class_is_never_suggested():
    scores = np.array([[0.4, 0.6, 0], [0.1, 0.9, 0], [0.8, 0.2, 0], [0.2, 0.5, 0.3], [0, 0, 1.0]])
    found = suspected_labels(scores, np.array([0, 0, 0, 1, 1]))
    assert found.indices.tolist() == [1, 0]
    assert found.suggested.tolist() == [1, 1]


@given(st.lists(st.integers(0, 3), min_size=1), st.floats(0.5, 1))
def test_a_model_that_agrees_with_every_label_suspects_none(labels, sure):
    scores = np.full((len(labels), 4), (1 - sure) / 3)
    scores[np.arange(len(labels)), labels] = sure
    assert suspected_labels(scores, np.array(labels)).indices.size == 0
