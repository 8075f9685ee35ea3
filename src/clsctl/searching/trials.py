"""Train the best candidates: several for a short time where there is enough, then the best."""

from __future__ import annotations

from dataclasses import replace

from clsctl.console.messages import note
from clsctl.paths import is_dir
from clsctl.searching.ranking import interval, meeting_goal
from clsctl.searching.record import Candidate, Record, Trial
from clsctl.searching.state import Search
from clsctl.training.run_dir.checkpoint import LATEST
from clsctl.training.train import run_training

MOST_FINALISTS = 3

FIRST_ROUND = 0.35
"""Of the time, for all finalists together."""

EPOCHS = 2
"""What a finalist has to have time for, so that its accuracy says anything."""

SHORT = "short-"
"""Begins the names of the first round's folders."""


def run_trials(search: Search, images: int, closing: float) -> None:
    """Train until the time is over; what was begun before is resumed.

    Args:
        search: Knows the candidates, and is given what is found.
        images: How many there are to train with.
        closing: Seconds that have to be left at the end.

    Raises:
        Interrupted: The search was stopped meanwhile.
    """
    if not search.record.trials:
        for trial in _first_round(search.record, images, search.left - closing):
            search.keep(trial)
    _train_all(search)
    if all(trial.folder.startswith(SHORT) for trial in search.record.trials):
        best = _best(search.record)
        minutes = max(search.left - closing, 1.0) / 60
        search.keep(Trial(best.name, best.name, minutes))
    _train_all(search)


def _first_round(record: Record, images: int, seconds: float) -> list[Trial]:
    """Plan a short run for each finalist; none where there is one, or no time for more."""
    finalists = _finalists(record)
    share = FIRST_ROUND * seconds / len(finalists)
    if len(finalists) == 1:
        return []
    # What looking at a candidate takes for each image is about what an epoch takes.
    if share < EPOCHS * images * max(one.seconds for one in finalists):
        note(f"there is time to train one of {len(finalists)} that are as good but for chance")
        return []
    return [Trial(f"{SHORT}{one.name}", one.name, share / 60) for one in finalists]


def _finalists(record: Record) -> list[Candidate]:
    """Return the best candidates, as far as they are as good but for chance."""
    best, *others = meeting_goal(record)
    low, _ = interval(best)
    close = [one for one in others if interval(one)[1] >= low]
    return [best, *close][:MOST_FINALISTS]


def _best(record: Record) -> Candidate:
    """Return the candidate of the best trial, or the best one where none was made."""
    if not record.trials:
        return meeting_goal(record)[0]
    best = max(record.trials, key=lambda trial: trial.top1 or 0.0)
    return record.candidate(best.candidate)


def _train_all(search: Search) -> None:
    for trial in search.record.trials:
        if trial.top1 is None:
            _train(search, trial)


def _train(search: Search, trial: Trial) -> None:
    candidate = search.record.candidate(trial.candidate)
    folder = search.run(trial)
    settings = {"output": str(folder), "time_limit": trial.minutes}
    note(f"training {candidate.model} at {candidate.image_size} pixels")
    sources = search.sources(candidate.model, candidate.image_size, **settings)
    result = run_training(sources, resume=is_dir(folder / LATEST))
    epochs = int(result.history[-1]["epoch"])
    search.keep(replace(trial, top1=result.top1, epoch=result.best_epoch, epochs=epochs))
