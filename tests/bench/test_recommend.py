"""Laws of choosing: what fits, in which order, and what nothing beats."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clsctl.bench.recommend import Candidate, Limits, best_first, nearest_first, pareto_front

KNOWN = st.floats(0.1, 1000)
PERCENT = st.integers(0, 10_000).map(lambda hundredths: hundredths / 100)
CANDIDATES = st.lists(
    st.builds(
        Candidate,
        model=st.text(min_size=1),
        top1=st.none() | PERCENT,
        accuracy=st.just("published"),
        ms=st.none() | KNOWN,
        mb=st.none() | KNOWN,
    ),
    max_size=8,
)
LIMITS = st.builds(
    Limits,
    max_ms=st.none() | st.floats(0, 1000),
    min_top1=st.none() | PERCENT,
    max_mb=st.none() | st.floats(0, 1000),
)


def fits(candidate: Candidate, limits: Limits) -> bool:
    return all(
        limit is None or (value is not None and value * sign <= limit * sign)
        for value, limit, sign in (
            (candidate.ms, limits.max_ms, 1),
            (candidate.top1, limits.min_top1, -1),
            (candidate.mb, limits.max_mb, 1),
        )
    )


@given(CANDIDATES, LIMITS)
def test_exactly_what_fits_is_recommended(candidates, limits):
    fitting = best_first(candidates, limits)
    assert sorted(map(id, fitting)) == sorted(id(c) for c in candidates if fits(c, limits))


@given(CANDIDATES, LIMITS)
def test_the_nearest_come_first_and_nobody_is_lost(candidates, limits):
    nearest = nearest_first(candidates, limits)
    assert sorted(map(id, nearest)) == sorted(map(id, candidates))
    flags = [fits(candidate, limits) for candidate in nearest]
    assert flags == sorted(flags, reverse=True)


@given(st.dictionaries(st.integers(), st.tuples(KNOWN, KNOWN), max_size=12))
def test_the_front_beats_everything_else_and_none_of_its_own(figures):
    front = pareto_front(figures)
    for name, mine in figures.items():
        beaten = any(
            other[0] >= mine[0] and other[1] >= mine[1] and other != mine
            for other in (figures[key] for key in front)
        )
        assert beaten == (name not in front)
