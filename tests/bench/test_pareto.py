"""The Pareto front holds exactly what nothing else beats."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clsctl.bench.pareto import pareto_front

FIGURES = st.floats(0, 1000)


@given(st.dictionaries(st.integers(), st.tuples(FIGURES, FIGURES), max_size=12))
def test_the_front_beats_everything_else_and_none_of_its_own(figures):
    front = pareto_front(figures)
    for name, mine in figures.items():
        beaten = any(
            other[0] >= mine[0] and other[1] >= mine[1] and other != mine
            for other in (figures[key] for key in front)
        )
        assert beaten == (name not in front)
