"""Which files count as arrived; `clsctl predict --watch` itself is in tests/commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clsctl.prediction import watch as watching
from clsctl.prediction.watch import INTERVAL, SETTLED, watch

LOOKS = round(SETTLED / INTERVAL)
"""After so many intervals without a change, a file counts as complete."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], object]], None]:
    """Let something happen, by the number of the look, wherever `watch` would sleep."""

    def set_(happen: Callable[[int], object]) -> None:
        looks = iter(range(1, 1000))
        now = 0.0

        def sleep(seconds: float) -> None:
            nonlocal now
            now += seconds
            happen(next(looks))

        monkeypatch.setattr(watching.time, "sleep", sleep)
        monkeypatch.setattr(watching.time, "monotonic", lambda: now)

    return set_


def names(arrived: Iterator[watching.Source], count: int) -> list[str]:
    return [Path(next(arrived).name).name for _ in range(count)]


def test_a_file_that_still_grows_is_not_given(tmp_path, clock):
    grown = 4 * LOOKS

    def happen(look: int) -> None:
        if look == 1:
            (tmp_path / "whole.jpg").write_bytes(b"whole")
        if look <= grown:
            with (tmp_path / "growing.jpg").open("ab") as stream:
                stream.write(b"more")

    clock(happen)
    arrived = watch([str(tmp_path)])
    assert names(arrived, 1) == ["whole.jpg"]
    source = next(arrived)
    assert source.content.read_bytes() == b"more" * grown


def test_a_file_is_given_once_and_again_where_it_was_replaced(tmp_path, clock):
    (tmp_path / "a.jpg").write_bytes(b"first")

    def happen(look: int) -> None:
        if look == 5 * LOOKS:
            (tmp_path / "new").write_bytes(b"again")
            (tmp_path / "new").replace(tmp_path / "a.jpg")
        if look == 10 * LOOKS:
            (tmp_path / "b.jpg").write_bytes(b"last")

    clock(happen)
    assert names(watch([str(tmp_path)]), 3) == ["a.jpg", "a.jpg", "b.jpg"]


def test_a_file_that_is_gone_again_costs_nothing(tmp_path, clock):
    def happen(look: int) -> None:
        if look == 1:
            (tmp_path / "gone.jpg").write_bytes(b"soon")
            (tmp_path / "dangling.jpg").symlink_to("nowhere")
        if look == 2:
            (tmp_path / "gone.jpg").unlink()
            (tmp_path / "kept.jpg").write_bytes(b"kept")

    clock(happen)
    assert names(watch([str(tmp_path)]), 1) == ["kept.jpg"]
