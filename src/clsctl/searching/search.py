"""`clsctl.search(...)`: the model that learns a dataset best in the time there is."""

from __future__ import annotations

import time as clock
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.console.messages import note
from clsctl.console.progress import count_bar
from clsctl.datasets.check.listing import read_training_dataset
from clsctl.datasets.layouts.detect import read_dataset
from clsctl.datasets.split.split import hold_out
from clsctl.errors import Interrupted, ModelError, UsageError
from clsctl.paths import is_dir
from clsctl.schema.layers import flatten
from clsctl.searching.choice import Chosen, choose
from clsctl.searching.page import write_page
from clsctl.searching.ranking import rank
from clsctl.searching.record import NAME, Goal, Record, is_search, read_record
from clsctl.searching.state import TRIALS, Search
from clsctl.searching.trials import run_trials
from clsctl.system.files import require_output_folder
from clsctl.training.config.train_config import TrainConfig
from clsctl.training.run_dir import files
from clsctl.training.signals import stop_requests
from clsctl.training.time_limit import parse_minutes

if TYPE_CHECKING:
    from clsctl.datasets.samples import Dataset

RANKING = 0.25
"""Of the time, at most, for the ranking."""

CLOSING_SECONDS = 25.0
"""To choose, evaluate and describe the best model, beside what its images take."""

CLOSING = 0.15
"""Of the time, at most, for that."""

DATASET = "dataset"
"""The folder, in the search's, of a dataset with a part that was held out."""

VALIDATION_PERCENT = 20.0


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The result of a search.

    Attributes:
        output: The search's folder.
        model: The model that was chosen.
        image_size: Side of its input in pixels.
        top1: On the test images, where there are any, or else on the validation images; 0 to 1.
        interval: 95 % confidence interval of `top1`.
        latency_ms: For one image, on this machine.
        model_dir: The exported model, for `create_model(model_dir=...)`.
        page: The page that describes the search.
        record: Everything that was tried.
    """

    output: Path
    model: str
    image_size: int
    top1: float
    interval: tuple[float, float]
    latency_ms: float
    model_dir: Path
    page: Path
    record: Record


def search(
    dataset: str | Path,
    output: str | Path = "output",
    *,
    time: str | float = "10m",
    accuracy_first: bool = False,
    latency_ms: float = 0.0,
    max_size_mb: float = 0.0,
    **settings: Any,
) -> SearchResult:
    """Find the model that learns a dataset best in the time there is, and export it.

    Models whose weights are here or can be pulled are ranked by a classifier on their published
    features, the best ones are trained, and the best of these is taken: of models that are as good
    but for chance, the fastest. A dataset without validation images has a part held out.

    >>> result = clsctl.search("photos", time="10m")

    Args:
        dataset: A folder with label.txt, class folders, or a table.
        output: The search's folder.
        time: For everything, such as `10m` or `2h`; a number is minutes.
        accuracy_first: Take the best model although a faster one is as good but for chance.
        latency_ms: The most that classifying one image may take on this machine; 0 is no limit.
        max_size_mb: The most that a model's weights may take, in units of 10**6 bytes; 0 is no
            limit.
        settings: Keys of the training configuration, for every run; sections as dicts.

    Raises:
        UsageError: A setting is wrong, or the folder already holds something (`E_RUN_EXISTS`).
        DataError: The dataset is not valid.
        ModelError: There is no model to try (`E_SEARCH_NOTHING`), or none could be exported
            (`E_PARITY`).
        Interrupted: Ctrl-C or SIGTERM; the best model so far is exported, where there is one, and
            the search can be resumed.
    """
    goal = Goal(parse_minutes(str(time)), latency_ms, max_size_mb, accuracy_first)
    record = Record(str(Path(dataset).absolute()), goal, flatten(settings, TrainConfig))
    return start_search(Path(output), record)


def start_search(folder: Path, record: Record) -> SearchResult:
    """Start a search; see `search`."""
    require_output_folder(folder)
    files.refuse_to_overwrite(folder)
    if is_search(folder):
        raise UsageError(
            f"{folder} already holds a search",
            code="E_RUN_EXISTS",
            hint=f"resume it with `clsctl train --resume {folder}`, or choose another -o",
        )
    return _search(folder, record)


def resume_search(folder: Path, settings: Mapping[str, Any]) -> SearchResult:
    """Resume a search with what is left of its time; see `search`.

    Args:
        folder: The search's.
        settings: Keys of the training configuration that are other ones from now on.

    Raises:
        UsageError: Its record is damaged (`E_RUN_MISSING`).
    """
    record = read_record(folder)
    return _search(folder, replace(record, settings={**record.settings, **settings}))


def _search(folder: Path, record: Record) -> SearchResult:
    began = clock.monotonic()
    with files.exclusive(folder, NAME), stop_requests() as stop:
        data = _with_validation(folder, record)
        dataset = read_training_dataset(data)
        state = Search(folder, data, record, stop, began)
        try:
            _try_models(state, dataset)
        except Interrupted as error:
            chosen = choose(state, dataset)
            if chosen is None:
                raise
            _finish(state, dataset, chosen)
            raise Interrupted(
                f"{error.message}; the best model so far is in {folder}",
                hint=f"resume with `clsctl train --resume {folder}`",
            ) from None
        chosen = choose(state, dataset)
        if chosen is None:
            raise ModelError(
                "no model was exported: each gave other scores than its network",
                code="E_PARITY",
                hint=f"the weights are in {folder / TRIALS}; name another model with -m",
            )
        return _finish(state, dataset, chosen)


def _with_validation(folder: Path, record: Record) -> Path:
    """Return a dataset that has validation images; a new one in the folder, if need be.

    Raises:
        DataError: The dataset is not valid.
    """
    held_out, given = folder / DATASET, Path(record.dataset)
    if is_dir(held_out):
        return held_out
    layout = record.settings.get("data.layout")
    layout = None if layout == "auto" else layout
    if read_dataset(given, layout).splits.get("val"):
        return given
    with count_bar("Looking for equal images") as show:
        split = hold_out(given, held_out, layout=layout, val=VALIDATION_PERCENT, progress=show)
    train, val = (len(split.splits[name]) for name in ("train", "val"))
    note(f"there are no validation images: {val} of {train + val} are held out for it")
    return held_out


def _try_models(state: Search, dataset: Dataset) -> None:
    images = len(dataset.splits["train"])
    rank(state, images, clock.monotonic() + RANKING * state.left)
    validated = len(dataset.splits["val"]) * max(one.seconds for one in state.record.candidates)
    closing = min(CLOSING_SECONDS + validated, CLOSING * 60 * state.record.goal.minutes)
    run_trials(state, images, closing)


def _finish(state: Search, dataset: Dataset, chosen: Chosen) -> SearchResult:
    """Describe the search."""
    top1, interval = chosen.evaluation.top_k(1)
    train_images = Counter(sample.label for sample in dataset.splits["train"])
    page = write_page(state.folder, state.record, chosen, train_images)
    return SearchResult(
        output=state.folder,
        model=chosen.candidate.model,
        image_size=chosen.candidate.image_size,
        top1=top1,
        interval=interval,
        latency_ms=chosen.latency_ms,
        model_dir=chosen.model_dir,
        page=page,
        record=state.record,
    )
