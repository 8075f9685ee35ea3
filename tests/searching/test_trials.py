"""What a search trains follows from the time that is left and from what each candidate takes."""

from __future__ import annotations

import pytest

from clsctl.searching.record import Candidate, Goal, Record
from clsctl.searching.trials import plan

IMAGES = 1000


def candidate(size: int, nll: float, seconds: float, top1: float = 0.9) -> Candidate:
    return Candidate("Net", size, top1, 500, nll, seconds, 20.0)


def planned(seconds: float, *candidates: Candidate) -> list[str]:
    record = Record("data", Goal(10.0), candidates=candidates)
    trials = plan(record, IMAGES, seconds)
    assert sum(trial.minutes for trial in trials) <= seconds / 60
    return [trial.folder for trial in trials]


SMALL, LARGE = candidate(224, 0.40, 0.05), candidate(288, 0.35, 0.1)
"""An epoch of 1,000 images takes 50 seconds with the one and 100 with the other."""


def test_what_there_is_no_time_to_train_gives_way(capsys: pytest.CaptureFixture[str]):
    assert planned(350, SMALL, LARGE) == ["Net-224"]
    assert capsys.readouterr().err == "note: there is no time to train Net at 288 pixels\n"


def test_several_are_tried_where_there_is_time_for_it(capsys: pytest.CaptureFixture[str]):
    assert planned(450, SMALL, LARGE) == ["Net-288"]
    assert "there is time to train one of 2 that are as good but for chance" in (
        capsys.readouterr().err
    )
    assert planned(2000, SMALL, LARGE) == ["short-Net-288", "short-Net-224"]
    worse = candidate(224, 0.8, 0.05, top1=0.5)
    assert planned(2000, worse, LARGE) == ["Net-288"]


def test_where_nothing_can_be_trained_the_best_start_is_taken():
    assert planned(60, SMALL, LARGE) == ["Net-288"]
