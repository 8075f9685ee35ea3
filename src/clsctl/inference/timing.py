"""Measure how long sessions take: the one way in which clsctl does it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from clsctl.values import Session

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def time_sessions(
    sessions: Mapping[str, Session],
    batch: NDArray[np.float32],
    *,
    warm_up: int,
    rounds: int,
    max_rounds: int = 0,
    seconds: float = 0.0,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Run sessions in turn on the same batch, and return the milliseconds of each run, by name.

    A machine that is slower for a while is so for all of them.

    Args:
        batch: Images [N, 3, H, W].
        warm_up: Rounds that are not measured.
        rounds: How many are measured at least.
        max_rounds: How many are measured at most, where `rounds` take less than `seconds`.
        seconds: How long to measure all of them together.
        clock: Time in seconds; `time.process_time` leaves out what other processes take.
    """
    for session in sessions.values():
        for _ in range(warm_up):
            session.run(batch)
    times: dict[str, list[float]] = {name: [] for name in sessions}
    end, done = time.perf_counter() + seconds, 0
    while done < rounds or (done < max_rounds and time.perf_counter() < end):
        for name, session in sessions.items():
            start = clock()
            session.run(batch)
            times[name].append(1000 * (clock() - start))
        done += 1
    return times
