"""Rank models and image sizes by what a classifier on their published features is worth.

That takes seconds where a training run takes minutes, and the order is mostly the same.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from clsctl.console.messages import at_level, note
from clsctl.errors import ClsctlError, Interrupted, ModelError, NetworkError
from clsctl.evaluation.metrics import wilson_interval
from clsctl.models.catalog import get_entry
from clsctl.models.store import open_store
from clsctl.searching.candidates import local_models, models_to_pull, pull
from clsctl.searching.latency import untrained_latency
from clsctl.searching.record import Candidate, Record
from clsctl.searching.state import IMAGE_SIZE, Search, Until
from clsctl.training.build import build_network
from clsctl.training.config.run_config import resolve_run
from clsctl.training.paddle_state import paddle_for
from clsctl.training.setup import prepare
from clsctl.training.start.fit import measure_start

if TYPE_CHECKING:
    from clsctl.values import ModelEntry

LARGER = 1.3
"""The second image size that the best model is tried with, in proportion to its own."""

MOST_FAILURES = 3
"""With so many downloads in a row that fail, no more are tried."""

FEWEST_EPOCHS = 3
"""In fewer a run unsettles what the start knows, and has no time to settle it again."""

MULTIPLE = 32
"""Networks shrink images by this factor."""


def rank(search: Search, images: int, deadline: float) -> None:
    """Look at models until the time for that is over: those that are here, those to be pulled.

    What the record holds already is not looked at again; one model is looked at in any case.

    Args:
        search: Is given what is found.
        images: How many there are to train with.
        deadline: By `time.monotonic()`.

    Raises:
        Interrupted: The search was stopped meanwhile.
        ModelError: No model could be looked at (`E_SEARCH_NOTHING`).
    """
    goal, store = search.record.goal, open_store()
    for entry in local_models(store, goal):
        _look_at(search, entry, entry.preprocessing.input_size[0], deadline)
    _pull_and_look(search, models_to_pull(store, goal), deadline)
    _require_some(search.record)
    _look_at_larger(search, images, deadline)


def meeting_goal(record: Record) -> list[Candidate]:
    """Return the candidates that meet the goal, the best first."""
    most = record.goal.latency_ms or math.inf
    return [one for one in record.ranked() if (one.latency_ms or 0.0) <= most]


def can_train(candidate: Candidate, images: int, seconds: float) -> bool:
    """Whether so many seconds are enough for a training run that is worth it."""
    return candidate.training_seconds(images, FEWEST_EPOCHS) <= seconds


def interval(candidate: Candidate) -> tuple[float, float]:
    """Return the 95 % interval of a candidate's top-1."""
    return wilson_interval(candidate.top1 * candidate.images, candidate.images)


def _pull_and_look(search: Search, entries: Sequence[ModelEntry], deadline: float) -> None:
    """Look at models until the time is over, or their servers do not answer."""
    failures = 0
    for entry in entries:
        if time.monotonic() >= deadline:
            return
        try:
            _look_at(search, entry, entry.preprocessing.input_size[0], deadline)
            failures = 0
        except NetworkError as error:
            failures += 1
            if failures == MOST_FAILURES:
                note(f"models that would have to be pulled are left out: {error.message}")
                return


def _require_some(record: Record) -> None:
    if not record.candidates:
        raise ModelError(
            "there is no model to try: none that fits is here, and none could be pulled",
            code="E_SEARCH_NOTHING",
            hint="`clsctl models pull NAME --kind training` brings one; or allow more --max-size",
        )
    if not meeting_goal(record):
        fastest = min(record.candidates, key=lambda one: one.latency_ms or 0.0)
        raise ModelError(
            f"no model classifies an image in {record.goal.latency_ms:g} ms here: {fastest.model}, "
            f"the fastest that was tried, takes {fastest.latency_ms:.1f} ms",
            code="E_SEARCH_NOTHING",
            hint="allow more with --latency, or make images smaller with --set data.image_size=N",
        )


def _look_at_larger(search: Search, images: int, deadline: float) -> None:
    """Try a larger image size with the best model, unless the user set the size.

    Nothing is tried that there would be no time to train: seconds grow with the pixels.
    """
    best = meeting_goal(search.record)[0]
    own = get_entry(best.model).preprocessing.input_size[0]
    if best.image_size != own or IMAGE_SIZE in search.record.settings:
        return
    larger = MULTIPLE * round(LARGER * own / MULTIPLE)
    expected = replace(best, seconds=best.seconds * (larger / own) ** 2)
    if can_train(expected, images, search.left - best.images * expected.seconds):
        _look_at(search, get_entry(best.model), larger, deadline)


def _look_at(search: Search, entry: ModelEntry, size: int, deadline: float) -> None:
    """Measure a model, unless that was done or there is no time left."""
    size = search.record.settings.get(IMAGE_SIZE) or size
    known = {(one.model, one.image_size) for one in search.record.candidates}
    if (entry.name, size) in known or (known and time.monotonic() >= deadline):
        return
    until = Until(search.stop, deadline if known else search.deadline)
    try:
        found = _measure(search, entry, size, until)
    except ClsctlError as error:
        if search.stop.is_set() or isinstance(error, NetworkError):
            raise
        reason = "it takes too long" if isinstance(error, Interrupted) else error.message
        note(f"{entry.name} at {size} pixels is left out: {reason}")
        return
    search.keep(found)
    low, high = interval(found)
    note(
        f"{entry.name} at {size} pixels: left-out top-1 {found.top1:.2%} (95 % {low:.2%} to "
        f"{high:.2%}), NLL {found.nll:.3f}, {1000 * found.seconds:.0f} ms an image"
    )


def _measure(search: Search, entry: ModelEntry, size: int, until: Until) -> Candidate:
    size_mb = pull(entry, until)
    began = time.monotonic()
    # What a run says about its dataset and its weights is said once, by the run.
    with at_level(logging.WARNING):
        config = resolve_run(search.sources(entry.name, size), resume=False).config
        job = replace(prepare(config), stop=until)
        with paddle_for(job):
            statistics, found = measure_start(build_network(job), job)
        seconds = (time.monotonic() - began) / len(found.correct)
        milliseconds = untrained_latency(job) if search.record.goal.latency_ms else None
    top1, images = float(found.correct.mean()), len(found.correct)
    return Candidate(
        model=entry.name,
        image_size=size,
        top1=top1,
        images=images,
        nll=found.nll,
        seconds=seconds,
        size_mb=size_mb,
        latency_ms=milliseconds,
        statistics=statistics,
    )
