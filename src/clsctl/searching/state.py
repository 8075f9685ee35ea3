"""A search under way: its folder, its time, and its record, which is kept on disk."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from clsctl.schema.layers import ConfigSource
from clsctl.searching.record import Candidate, Record, Trial, write_record

if TYPE_CHECKING:
    from clsctl.training.signals import Stop

TRIALS = "trials"
"""The folder of the training runs."""

IMAGE_SIZE = "data.image_size"


class Search:
    """A search under way.

    Args:
        folder: Its folder.
        data: The dataset that is trained on.
        record: What was found before.
        stop: Is set when the user wants it to stop.
        began: When it was started or resumed, by `time.monotonic()`.

    Attributes:
        record: What was found so far.
        deadline: When it has to end, by `time.monotonic()`.
    """

    def __init__(self, folder: Path, data: Path, record: Record, stop: Stop, began: float) -> None:
        self.folder, self.data, self.stop = folder, data, stop
        self.record = record
        self.deadline = began + 60 * record.goal.minutes - record.seconds
        self._spent_before, self._began = record.seconds, began

    @property
    def left(self) -> float:
        """Seconds until it has to end."""
        return self.deadline - time.monotonic()

    def run(self, trial: Trial) -> Path:
        """Return the folder of a training run."""
        return self.folder / TRIALS / trial.folder

    def keep(self, found: Candidate | Trial) -> None:
        """Note what was found, and write it down."""
        record = self.record
        if isinstance(found, Candidate):
            record = record.with_candidate(found)
        else:
            record = record.with_trial(found)
        spent = self._spent_before + time.monotonic() - self._began
        self.record = replace(record, seconds=spent)
        write_record(self.folder, self.record)

    def sources(self, model: str, size: int, **settings: Any) -> list[ConfigSource]:
        """Return the configuration of a training run: what the user set, and what is tried.

        Args:
            model: A model of the catalog.
            size: Side of the network's input in pixels.
            settings: More keys.
        """
        tried = {"model": model, IMAGE_SIZE: size, "data.path": str(self.data), **settings}
        layout = {"data.layout": "auto"} if str(self.data) != self.record.dataset else {}
        user = ConfigSource("option", {"processes": 1} | dict(self.record.settings))
        return [user, ConfigSource("search", tried | layout)]


class Until(Event):
    """An event that is set once another one is, or when a time has come.

    Args:
        stop: The other event.
        deadline: By `time.monotonic()`.
    """

    def __init__(self, stop: Stop, deadline: float) -> None:
        super().__init__()
        self._stop, self._deadline = stop, deadline

    def is_set(self) -> bool:
        return self._stop.is_set() or time.monotonic() >= self._deadline
