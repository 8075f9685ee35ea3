"""What a search has found so far: search.json, from which it can be resumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from clsctl.console.text import to_json
from clsctl.errors import UsageError
from clsctl.paths import is_file
from clsctl.schema.documents import read_document
from clsctl.schema.errors import SchemaError
from clsctl.system.files import atomic_replace

NAME = "search.json"


@dataclass(frozen=True, slots=True)
class Goal:
    """What is searched for, and how long.

    Attributes:
        minutes: For everything.
        latency_ms: The most that classifying one image may take on this machine; 0 is no limit.
        size_mb: The most that a model's weights may take, in units of 10**6 bytes; 0 is no limit.
        accuracy_first: Take the best model although a faster one is as good but for chance.
    """

    minutes: float
    latency_ms: float = 0.0
    size_mb: float = 0.0
    accuracy_first: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model and an image size, and what a classifier on its published features is worth.

    Attributes:
        image_size: Side of the network's input in pixels.
        top1: Share of the left-out images that it classifies correctly, 0 to 1.
        images: How many these are.
        nll: Their mean negative log-likelihood, in nats.
        seconds: For one image: to compute its features, and what the classifier took.
        size_mb: Of the weights, in units of 10**6 bytes.
        latency_ms: Of one image on this machine; None where it was not measured.
        statistics: Batch norm's with which the classifier is better, for `start.statistics`.
    """

    model: str
    image_size: int
    top1: float
    images: int
    nll: float
    seconds: float
    size_mb: float
    latency_ms: float | None = None
    statistics: str = "auto"

    @property
    def name(self) -> str:
        """A name that a folder can have."""
        return f"{self.model}-{self.image_size}"

    def training_seconds(self, images: int, epochs: int) -> float:
        """Estimate what a training run of so many images takes.

        For each image an epoch takes what looking at it took, and fitting the start at most that.
        """
        return (1 + epochs) * images * self.seconds


@dataclass(frozen=True, slots=True)
class Trial:
    """A training run of a candidate.

    Attributes:
        folder: Of the run, in the search's `trials`.
        candidate: The candidate's name.
        minutes: What it may take.
        top1: Of its best epoch, on the validation images, or its balanced accuracy where classes
            count alike; None while it is not finished.
        epoch: That epoch; 0 is the start.
        epochs: How many were made.
    """

    folder: str
    candidate: str
    minutes: float
    top1: float | None = None
    epoch: int = 0
    epochs: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """A search.

    Attributes:
        dataset: The dataset's path, absolute.
        goal: What is searched for.
        settings: Keys of the training configuration that the user set, for every run.
        seconds: How long it has taken so far.
        candidates: In the order in which they were looked at.
        trials: In the order in which they were begun.
    """

    dataset: str
    goal: Goal
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    candidates: tuple[Candidate, ...] = ()
    trials: tuple[Trial, ...] = ()

    def with_candidate(self, candidate: Candidate) -> Record:
        """Add a candidate, or put it in the place of what it was."""
        known = {one.name: one for one in self.candidates} | {candidate.name: candidate}
        return replace(self, candidates=tuple(known.values()))

    def with_trial(self, trial: Trial) -> Record:
        """Add a trial, or put it in the place of what it was."""
        known = {one.folder: one for one in self.trials} | {trial.folder: trial}
        return replace(self, trials=tuple(known.values()))

    def candidate(self, name: str) -> Candidate:
        return next(one for one in self.candidates if one.name == name)

    def ranked(self) -> list[Candidate]:
        """Return all candidates, the best start first."""
        return sorted(self.candidates, key=lambda one: one.nll)

    def best_trial(self, candidate: str) -> Trial | None:
        """Return a candidate's best run; None where none is finished."""
        own = [one for one in self.trials if one.candidate == candidate and one.top1 is not None]
        return max(own, key=lambda one: one.top1 or 0.0, default=None)


def is_search(folder: Path) -> bool:
    """Tell whether a folder holds a search."""
    return is_file(folder / NAME)


def read_record(folder: Path) -> Record:
    """Read the record of a search that is to be resumed.

    Raises:
        UsageError: It is damaged (`E_RUN_MISSING`).
    """
    try:
        return read_document(Record, folder / NAME)
    except SchemaError as error:
        raise UsageError(
            f"the search in {folder} cannot be resumed: {error}",
            code="E_RUN_MISSING",
            hint="start it anew, with another -o",
        ) from None


def write_record(folder: Path, record: Record) -> None:
    """Write it, whole or not at all."""
    with atomic_replace(folder / NAME) as part:
        part.write_text(to_json(asdict(record), indent=1) + "\n", encoding="utf-8")
