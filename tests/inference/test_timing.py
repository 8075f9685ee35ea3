"""Sessions are timed in turn, as often as asked for; the clock is the test's own."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsctl.inference.timing import time_sessions

BATCH = np.zeros((1, 3, 2, 2), np.float32)


@dataclass
class Counting:
    """A session that notes its runs."""

    name: str
    runs: list[str] = field(default_factory=list)

    def run(self, batch: np.ndarray) -> np.ndarray:
        self.runs.append(self.name)
        return batch


@given(warm_up=st.integers(0, 3), rounds=st.integers(1, 6))
def test_rounds_in_turn_after_the_warm_up(warm_up, rounds):
    runs: list[str] = []
    sessions = {name: Counting(name, runs) for name in "ab"}
    clock = itertools.count().__next__  # a second between two looks
    times = time_sessions(sessions, BATCH, warm_up=warm_up, rounds=rounds, clock=clock)
    assert times == {"a": [1000.0] * rounds, "b": [1000.0] * rounds}
    assert runs[2 * warm_up :] == ["a", "b"] * rounds
    assert sorted(runs[: 2 * warm_up]) == ["a"] * warm_up + ["b"] * warm_up


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, 3), (1e9, 50)])
def test_more_rounds_only_while_there_is_time(seconds, expected):
    session = Counting("a")
    times = time_sessions(
        {"a": session}, BATCH, warm_up=0, rounds=3, max_rounds=50, seconds=seconds
    )
    assert len(times["a"]) == len(session.runs) == expected
    assert min(times["a"]) >= 0
