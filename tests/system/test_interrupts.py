"""Ctrl-C ends a block where it can, and as what it is, whatever a library in C makes of it."""

from __future__ import annotations

import signal
import threading

import pytest

from clsctl.system.interrupts import certain_interrupts, late_interrupts


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def swallow(error: Exception) -> None:
    """As the import of a module in C that was interrupted, or a callback from C++."""
    try:
        press()
    except KeyboardInterrupt:
        raise error from None


def test_it_comes_when_the_block_is_over():
    done: list[str] = []

    @late_interrupts()
    def block() -> None:
        press()
        done.append("the rest")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert done == ["the rest"]


def test_a_second_one_acts_at_once():
    done: list[str] = []

    @late_interrupts()
    def block() -> None:
        press()
        done.append("some more")
        press()
        done.append("the rest")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert done == ["some more"]


def test_who_waits_for_it_is_told_later():
    told: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: told.append(number))
    try:
        with late_interrupts():
            press()
            assert told == []
        assert told == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_error_that_a_library_makes_of_it_is_not_believed():
    with pytest.raises(KeyboardInterrupt), certain_interrupts(OSError):
        swallow(ImportError("initialization failed"))


def test_other_errors_stay_what_they_are():
    with pytest.raises(BrokenPipeError), certain_interrupts(OSError):
        swallow(BrokenPipeError())
    with pytest.raises(ImportError), certain_interrupts(OSError):
        raise ImportError
    with pytest.raises(KeyboardInterrupt), certain_interrupts(OSError):
        press()
    with certain_interrupts(OSError), pytest.raises(KeyboardInterrupt):
        press()


@pytest.mark.parametrize("block", [late_interrupts, certain_interrupts])
def test_nothing_of_it_is_left(block):
    before = signal.getsignal(signal.SIGINT)
    with block():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("block", [late_interrupts, certain_interrupts])
@pytest.mark.parametrize("ignored", [False, True], ids=["in another thread", "ignored"])
def test_where_ctrl_c_does_not_come_nothing_changes(block, ignored):
    before = signal.getsignal(signal.SIGINT)
    found: list[object] = []

    def enter() -> None:
        with block():
            found.append(signal.getsignal(signal.SIGINT))

    if ignored:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            enter()
        finally:
            signal.signal(signal.SIGINT, before)
        assert found == [signal.SIG_IGN]
    else:
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        assert found == [before]
