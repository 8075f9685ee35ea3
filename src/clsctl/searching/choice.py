"""Choose the best model of those that were trained, and measure it."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.evaluation.evaluate import evaluate
from clsctl.evaluation.files import save_evaluation
from clsctl.paths import is_dir
from clsctl.searching.latency import an_image, latency
from clsctl.searching.record import Candidate, Trial
from clsctl.searching.state import Search
from clsctl.system.files import sync_tree
from clsctl.training.run_dir.checkpoint import BEST, LATEST, read_progress

if TYPE_CHECKING:
    from clsctl.datasets.samples import Dataset
    from clsctl.evaluation.result import Evaluation

EXPORTED = Path(BEST) / "inference"


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The model that a search ends with.

    Attributes:
        trial: The run that it comes from.
        model_dir: The exported model, in the search's folder.
        latency_ms: For one image, on this machine.
        images: Validation images, by which it was chosen.
        evaluation: On the test images, where there are any, or else on the validation images.
    """

    candidate: Candidate
    trial: Trial
    model_dir: Path
    latency_ms: float
    images: int
    evaluation: Evaluation


def choose(search: Search, dataset: Dataset) -> Chosen | None:
    """Choose a model, copy it into the search's folder, and evaluate it.

    Of models whose accuracy differs by no more than its standard error, the fastest is taken
    (Breiman et al. 1984, Classification and Regression Trees), or the best where that is the goal.

    Args:
        search: Knows the trials; of one that is not finished, the best epoch counts.
        dataset: Whose images they were trained on.

    Returns:
        None where no model was exported yet.
    """
    found = [_so_far(search.run(trial), trial) for trial in search.record.trials]
    trials = [trial for trial in found if trial is not None]
    if not trials:
        return None
    trial = _choose(search, trials, dataset)
    model_dir = _copy_best(search, trial)
    images = len(dataset.splits["val"])
    split = "test" if dataset.splits.get("test") else "val"
    evaluation = evaluate(search.data, model_dir=model_dir, split=split)
    save_evaluation(evaluation, search.folder)
    candidate = search.record.candidate(trial.candidate)
    return Chosen(
        candidate, trial, model_dir, latency(model_dir, an_image(dataset)), images, evaluation
    )


def _so_far(run: Path, trial: Trial) -> Trial | None:
    """Return a trial with its best epoch so far; None where none was exported."""
    progress = read_progress(run, BEST)
    if progress is None or not is_dir(run / EXPORTED):
        return None
    latest = read_progress(run, LATEST) or progress
    return replace(trial, top1=progress.best, epoch=progress.best_epoch, epochs=latest.epoch)


def _choose(search: Search, trials: Sequence[Trial], dataset: Dataset) -> Trial:
    best, images = max(trials, key=_top1), len(dataset.splits["val"])
    if search.record.goal.accuracy_first:
        return best
    error = math.sqrt(_top1(best) * (1 - _top1(best)) / images)
    close = sorted((one for one in trials if _top1(one) >= _top1(best) - error), key=_top1)
    of_candidates = {one.candidate: one for one in close}
    if len(of_candidates) == 1:
        return best
    image = an_image(dataset)
    return min(of_candidates.values(), key=lambda one: latency(search.run(one) / EXPORTED, image))


def _top1(trial: Trial) -> float:
    return trial.top1 or 0.0


def _copy_best(search: Search, trial: Trial) -> Path:
    """Copy a trial's best model into the search's folder, in the place of an earlier one."""
    source, target = search.run(trial) / BEST, search.folder / BEST
    part = search.folder / f".{BEST}.part"
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(source, part)
    sync_tree(part)
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)
    return search.folder / EXPORTED
