"""Training stops at the next step; who asks again is heard at once."""

from __future__ import annotations

import signal
from itertools import chain

import pytest

from clsctl.training.signals import stop_requests


def test_what_a_launcher_passes_on_is_the_same_request():
    seconds = chain([10.0, 10.2, 10.9, 12.0])
    with stop_requests(lambda: next(seconds)) as stop:
        assert not stop.is_set()
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
            assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_another_signal_is_another_request_and_both_are_handled_as_before_afterwards():
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in signals]
    with stop_requests() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.is_set()
        stop.clear()
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
    assert [signal.getsignal(number) for number in signals] == before
