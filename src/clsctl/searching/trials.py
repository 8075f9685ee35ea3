"""Train the best candidates: several for a short time where there is enough, then the best."""

from __future__ import annotations

from dataclasses import replace

from clsctl.console.messages import note
from clsctl.paths import is_dir
from clsctl.searching.ranking import can_train, interval, meeting_goal
from clsctl.searching.record import Candidate, Record, Trial
from clsctl.searching.state import Search
from clsctl.training.run_dir.checkpoint import LATEST
from clsctl.training.train import run_training

MOST_FINALISTS = 3

FIRST_ROUND = 0.35
"""Of the time, for all finalists together."""

SHORT_EPOCHS = 2
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
        for trial in plan(search.record, images, search.left - closing):
            search.keep(trial)
    _train_all(search)
    if all(trial.folder.startswith(SHORT) for trial in search.record.trials):
        best = max(search.record.trials, key=lambda trial: trial.top1 or 0.0).candidate
        search.keep(_whole(best, search.left - closing))
    _train_all(search)


def plan(record: Record, images: int, seconds: float) -> list[Trial]:
    """Plan a short run for each finalist, or all of the time for the best one.

    Args:
        record: Knows the candidates.
        images: How many there are to train with.
        seconds: What all runs together may take.
    """
    finalists = _finalists(record, images, seconds)
    share = FIRST_ROUND * seconds / len(finalists)
    if len(finalists) == 1:
        return [_whole(finalists[0].name, seconds)]
    if share < max(one.training_seconds(images, SHORT_EPOCHS) for one in finalists):
        note(f"there is time to train one of {len(finalists)} that are as good but for chance")
        return [_whole(finalists[0].name, seconds)]
    return [Trial(f"{SHORT}{one.name}", one.name, share / 60) for one in finalists]


def _whole(candidate: str, seconds: float) -> Trial:
    return Trial(candidate, candidate, max(seconds, 1.0) / 60)


def _finalists(record: Record, images: int, seconds: float) -> list[Candidate]:
    """Return the best candidates, as far as they are as good but for chance.

    Those that there is time to train go before others, however good their starts are.
    """
    candidates = meeting_goal(record)
    trainable = [one for one in candidates if can_train(one, images, seconds)]
    if candidates[0] not in trainable and trainable:
        passed = candidates[0]
        note(f"there is no time to train {passed.model} at {passed.image_size} pixels")
    best, *others = trainable or candidates
    low, _ = interval(best)
    close = [one for one in others if interval(one)[1] >= low]
    return [best, *close][:MOST_FINALISTS]


def _train_all(search: Search) -> None:
    for trial in search.record.trials:
        if trial.top1 is None:
            _train(search, trial)


def _train(search: Search, trial: Trial) -> None:
    candidate = search.record.candidate(trial.candidate)
    folder = search.run(trial)
    settings = {
        "output": str(folder),
        "time_limit": trial.minutes,
        "start.statistics": candidate.statistics,  # they were compared to rank it
    }
    note(f"training {candidate.model} at {candidate.image_size} pixels")
    sources = search.sources(candidate.model, candidate.image_size, **settings)
    result = run_training(sources, resume=is_dir(folder / LATEST))
    epochs = int(result.history[-1]["epoch"])
    top1 = result.top1 if result.balanced_accuracy is None else result.balanced_accuracy
    search.keep(replace(trial, top1=top1, epoch=result.best_epoch, epochs=epochs))
