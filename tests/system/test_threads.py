"""Results come in the order of the items, as soon as they can, and errors in their own place."""

from __future__ import annotations

import itertools
import queue
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsctl.system.threads import AHEAD, ordered_flat_map, ordered_map


@given(st.lists(st.integers()), st.integers(1, 5))
def test_it_is_map_whatever_the_threads(items, threads):
    with ordered_map(str, items, threads) as results:
        assert list(results) == list(map(str, items))


def test_a_slow_first_item_keeps_its_place():
    go_on = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert go_on.wait(60)
        if number == 9:
            go_on.set()
        return number

    with ordered_map(work, range(10), 2) as results:
        assert list(results) == list(range(10))


def test_a_result_does_not_wait_for_an_item_that_has_not_come():
    arriving: queue.SimpleQueue[int] = queue.SimpleQueue()
    with ordered_map(abs, iter(arriving.get, 0), 3) as results:
        for number in (-1, -2, -3):
            arriving.put(number)
            assert next(results) == -number
        arriving.put(0)
        assert list(results) == []


def test_it_takes_no_more_than_a_few_items_ahead():
    taken = []

    def items() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    with ordered_map(abs, items(), 2) as results:
        for number in results:
            assert len(taken) <= number + 1 + 2 * AHEAD
    assert len(taken) == 1000


def test_what_the_work_raises_comes_after_the_results_before_it():
    with ordered_map(lambda number: 6 // number, [3, 2, 0, 1], 2) as results:
        assert [next(results), next(results)] == [2, 3]
        with pytest.raises(ZeroDivisionError):
            next(results)


def test_what_the_items_raise_comes_after_the_results_before_it():
    def items() -> Iterator[int]:
        yield 1
        raise LookupError

    with ordered_map(abs, items(), 2) as results:
        assert next(results) == 1
        with pytest.raises(LookupError):
            next(results)


def test_results_of_one_item_come_before_its_last_one_is_done():
    going = threading.Event()

    def work(number: int) -> Iterator[int]:
        yield number
        assert number == 0 or going.wait(60)
        yield -number

    with ordered_flat_map(work, range(3), 1) as results:
        assert [next(results), next(results), next(results)] == [0, 0, 1]
        going.set()
        assert list(results) == [-1, 2, -2]


@given(st.lists(st.integers(0, 4)), st.integers(1, 4))
def test_items_may_have_any_number_of_results(counts, threads):
    with ordered_flat_map(lambda count: iter(range(count)), counts, threads) as results:
        assert list(results) == [number for count in counts for number in range(count)]


def test_what_an_item_raises_comes_after_its_results():
    def work(number: int) -> Iterator[int]:
        yield number
        if number == 2:
            raise LookupError

    with ordered_flat_map(work, range(9), 3) as results:
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(LookupError):
            next(results)


def test_an_item_without_end_is_left_with_the_block():
    before = set(threading.enumerate())
    with ordered_flat_map(itertools.count, [0], 1) as results:
        assert [next(results), next(results)] == [0, 1]
        (thread,) = set(threading.enumerate()) - before
    thread.join(60)
    assert not thread.is_alive()


def test_it_ends_wherever_ctrl_c_comes():
    """Ctrl-C raises wherever the consumer is: here at each of the steps of taking three results.

    What it interrupts must leave nothing locked that the end of the block needs.
    """
    for step in itertools.count():
        steps = itertools.count()
        ended: list[bool] = []
        consumer = threading.Thread(target=_interrupted_at, args=(step, steps, ended), daemon=True)
        consumer.start()
        consumer.join(60)
        assert not consumer.is_alive(), f"it waits for ever where Ctrl-C comes at step {step}"
        if next(steps) <= step:
            break
    assert ended == [False]
    assert step > 10


def _interrupted_at(step: int, steps: Iterator[int], ended: list[bool]) -> None:
    """Take three results; tell whether that was interrupted."""

    def count(frame: FrameType, event: str, argument: object) -> Any:
        if next(steps) == step:
            sys.settrace(None)
            raise KeyboardInterrupt
        return count

    try:
        with ordered_map(abs, range(3), 1) as results:
            sys.settrace(count)
            for _ in range(3):
                next(results)
            sys.settrace(None)
    except KeyboardInterrupt:
        ended.append(True)
    else:
        ended.append(False)


def test_its_threads_end_with_the_block():
    before = set(threading.enumerate())
    with ordered_map(abs, iter(int, 1), 3) as results:
        next(results)
        mine = set(threading.enumerate()) - before
        assert len(mine) == 3
    for thread in mine:
        thread.join(60)
        assert not thread.is_alive()
