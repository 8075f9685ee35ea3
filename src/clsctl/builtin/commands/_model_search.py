"""`clsctl train` without a model: find the one that learns the dataset best in the time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from clsctl.errors import UsageError
from clsctl.schema.layers import ConfigSource
from clsctl.searching.record import Goal, Record, is_search
from clsctl.training.config.sources import resolve_config
from clsctl.training.distributed import environment

OWN = ("model", "output", "data.path", "time_limit")
"""What the search sets for each run."""


class Limits(NamedTuple):
    """The options of a search; see `Goal`."""

    latency_ms: float
    size_mb: float
    accuracy_first: bool


def read_limits(latency: str | None, max_size: str | None, accuracy_first: bool) -> Limits:
    """Read the options as they were given.

    Raises:
        UsageError: One is no amount (`E_USAGE`).
    """
    return Limits(
        _amount(latency, "ms", "--latency 5ms"),
        _amount(max_size, "MB", "--max-size 20MB"),
        accuracy_first,
    )


def find_model(sources: Sequence[ConfigSource], resume: bool, limits: Limits) -> bool:
    """Find the best model, unless one is named; returns whether that was done.

    Raises:
        UsageError: There are limits, but no new search (`E_USAGE`).
    """
    config = resolve_config(sources).config
    new = not resume and not config.model and bool(config.time_limit)
    if any(limits) and not new:
        raise UsageError(
            "--accuracy-first, --latency and --max-size are for finding a model, not for training "
            "one that is named",
            code="E_USAGE",
            hint="leave out -m and --resume and give the time, as in `clsctl train -d DIR --time "
            "10m --latency 5ms`",
        )
    if not new and not (resume and is_search(Path(config.output))):
        return False
    environment.restart_with_variables()
    _search(sources, resume, limits)
    return True


def _search(sources: Sequence[ConfigSource], resume: bool, limits: Limits) -> None:
    from clsctl.searching.printing import print_search
    from clsctl.searching.search import resume_search, start_search

    resolved = resolve_config(sources)
    config, values = resolved.config, resolved.values()
    given = {name for source in sources for name in source.values}
    settings = {name: value for name, value in values.items() if name in given.difference(OWN)}
    folder = Path(config.output)
    if resume:
        print_search(resume_search(folder, settings))
        return
    if not isinstance(config.data.image_size, int):
        raise UsageError(
            "models are compared on square images",
            code="E_USAGE",
            hint="give --image-size one number, or name the model with -m",
        )
    goal = Goal(config.time_limit, *limits)
    record = Record(str(Path(config.data.path).absolute()), goal, settings)
    print_search(start_search(folder, record))


def _amount(text: str | None, unit: str, example: str) -> float:
    """Read a number with or without its unit; 0 where there is none."""
    if text is None:
        return 0.0
    match = re.fullmatch(rf"(\d+(?:\.\d+)?)\s*(?:{unit})?", text.strip(), re.IGNORECASE)
    if match is None or not float(match[1]):
        raise UsageError(
            f"'{text}' is no number of {unit}", code="E_USAGE", hint=f"write {example}"
        )
    return float(match[1])
