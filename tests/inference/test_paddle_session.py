"""Paddle predictors and the threads that they run in."""

from __future__ import annotations

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from clsctl.inference.batch_size import TOLERANCE
from clsctl.inference.paddle_session import PaddleSession
from clsctl.models.directory import read_model_dir
from clsctl.values import HOST, Placement

SIDE = 224


def batch(size: int) -> np.ndarray:
    return np.random.default_rng(size).standard_normal((size, 3, SIDE, SIDE)).astype(np.float32)


def in_a_thread(session: PaddleSession, *sizes: int) -> list[np.ndarray]:
    """Run batches in a thread that then ends."""
    with ThreadPoolExecutor(1) as thread:
        return list(thread.map(lambda size: session.run(batch(size)), sizes))


def test_threads_that_come_and_go_leave_nothing_that_others_trip_over(tiny: Path):
    """Two predictors that one thread runs in turn, and then another: the second failed."""
    session = PaddleSession(read_model_dir(tiny), Placement(HOST, threads=1, streams=2))
    exact = {size: session.run(batch(size)) for size in (1, 2, 3)}
    with ThreadPoolExecutor(2) as both:  # for there to be two
        list(both.map(session.run, [batch(16)] * 4))
    for turn in range(12):
        size = 1 + turn % 3
        for scores in in_a_thread(session, size, size):
            np.testing.assert_allclose(scores, exact[size], atol=TOLERANCE["fp32"])


def test_a_session_that_nobody_needs_takes_its_threads_with_it(tiny: Path):
    before = set(threading.enumerate())
    session = PaddleSession(read_model_dir(tiny), Placement(HOST, threads=1))
    session.run(batch(1))
    [its_own] = set(threading.enumerate()) - before
    del session
    gc.collect()
    its_own.join(timeout=60)
    assert not its_own.is_alive()
