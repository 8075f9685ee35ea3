"""The files of a run beside its checkpoints, under the names that PaddleX gives them.

config.yaml, label_dict.txt, train.log, run.json, train_result.json (and train_results.json, as
PaddleX's code calls it), and the folders best_model, latest and epoch_N.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import zip_longest
from pathlib import Path
from typing import Any

from clsctl.console.messages import note
from clsctl.console.text import to_json
from clsctl.errors import DataError, UsageError
from clsctl.paths import exists, is_dir, is_file, read_text, without_folders
from clsctl.schema.layers import nest
from clsctl.system.files import atomic_replace
from clsctl.system.os_errors import translate_os_errors
from clsctl.training.config.run_config import CONFIG
from clsctl.training.config.sources import ResolvedConfig, writable_values
from clsctl.training.job import TrainJob
from clsctl.training.run_dir import run_card
from clsctl.training.run_dir.checkpoint import BEST, LATEST, TrainProgress, accuracy

LABELS, LOG = "label_dict.txt", "train.log"
RESULTS = ("train_result.json", "train_results.json")
LISTED = 5


def refuse_to_overwrite(run_dir: Path) -> None:
    """Raise UsageError where the folder holds a run (`E_RUN_EXISTS`)."""
    if exists(run_dir / CONFIG) or exists(run_dir / LATEST):
        raise UsageError(
            f"{run_dir} already holds a run",
            code="E_RUN_EXISTS",
            hint=f"resume it with `clsctl train --resume {run_dir}`, or choose another -o",
        )


def require_same_classes(job: TrainJob) -> None:
    """Refuse to resume a run with other classes than it began with: its outputs are numbered.

    Raises:
        DataError: A class was added, removed, renamed or numbered differently (`E_RESUME_CLASSES`).
    """
    path = job.run_dir / LABELS
    if not is_file(path):
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    before = tuple(line.partition(" ")[2] for line in lines)
    if before != job.labels:
        best = job.run_dir / BEST / f"{BEST}.pdparams"
        raise DataError(
            f"the classes of {job.dataset.root} have changed since the run in {job.run_dir} began: "
            f"{_difference(before, job.labels)}",
            code="E_RESUME_CLASSES",
            hint=f"begin a new run with its weights: --weights {best} instead of --resume, and "
            "another -o",
        )


def _difference(before: Sequence[str], now: Sequence[str]) -> str:
    """Say which class differs first of those that have the same id."""
    for label, (old, new) in enumerate(zip_longest(before, now)):
        if old != new:
            was, is_ = (f"'{name}'" if name else "no class" for name in (old, new))
            return f"class {label} was {was} and is {is_} now"
    return "none"


@contextmanager
def exclusive(run_dir: Path, kept: str = LATEST) -> Iterator[None]:
    """Make the run's folder, and keep a second process out of it.

    Args:
        run_dir: The folder.
        kept: What makes it worth keeping; without it all that was written is removed again.

    Raises:
        UsageError: Another process works in it (`E_RUN_BUSY`), or it cannot be made (`E_OUTPUT`).
    """
    made = [folder for folder in (run_dir, *run_dir.parents) if not exists(folder)]
    with translate_os_errors(run_dir):
        run_dir.mkdir(parents=True, exist_ok=True)
        before = set(run_dir.iterdir())
        lock = _lock(run_dir)
    with lock:
        try:
            yield
        finally:
            if not exists(run_dir / kept):
                _remove(set(run_dir.iterdir()) - before, made)


def _lock(run_dir: Path) -> AbstractContextManager[object]:
    from filelock import FileLock, Timeout

    lock = FileLock(run_dir / ".lock", blocking=False)
    try:
        return lock.acquire()
    except Timeout:
        raise UsageError(
            f"another process is training in {run_dir}",
            code="E_RUN_BUSY",
            hint="choose another -o",
        ) from None


def _remove(paths: Iterable[Path], folders: Iterable[Path]) -> None:
    """Remove paths, and then the folders that are empty without them, the innermost first."""
    for path in paths:
        if is_dir(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def write_start(job: TrainJob, resolved: ResolvedConfig) -> None:
    """Write configuration, class names and run card.

    Raises:
        DataError: An image cannot be read; the message says where it is listed.
    """
    import yaml

    job.run_dir.mkdir(parents=True, exist_ok=True)
    dataset = _describe_dataset(job)
    _note_changes(job.run_dir, dataset)
    labels = "".join(f"{label} {name}\n" for label, name in enumerate(job.labels))
    _write(job.run_dir / LABELS, labels)
    card = {
        "environment": run_card.environment(str(job.device)),
        "dataset": dataset,
        "seed": job.config.seed,
        "origins": dict(resolved.origins),
    }
    _write_json(job.run_dir / run_card.NAME, without_folders(card))
    # Last: a folder with a configuration counts as a run.
    text = yaml.safe_dump(nest(writable_values(resolved)), sort_keys=False, allow_unicode=True)
    _write(job.run_dir / CONFIG, text)


def _describe_dataset(job: TrainJob) -> dict[str, Any]:
    return {
        "name": job.dataset.root.resolve().name,
        "fingerprint": run_card.fingerprint(job.dataset),
        "images": {name: len(samples) for name, samples in job.dataset.splits.items()},
    }


def _note_changes(run_dir: Path, dataset: Mapping[str, Any]) -> None:
    """Tell the user where a run is resumed with other images than before."""
    try:
        before = json.loads(read_text(run_dir / run_card.NAME))["dataset"]
        unchanged = before["fingerprint"] == dataset["fingerprint"]
        sizes = [f"{name} {size}" for name, size in before["images"].items()]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return
    if not unchanged:
        now = ", ".join(f"{name} {size}" for name, size in dataset["images"].items())
        note(f"the images have changed since the run began: {', '.join(sizes)}, now {now}")


def write_end(job: TrainJob, progress: TrainProgress) -> None:
    """Write what is known after training: the result, and the outputs' hashes."""
    card = json.loads(read_text(job.run_dir / run_card.NAME))
    card["history"] = progress.history
    card["outputs"] = run_card.output_hashes(job.run_dir)
    _write_json(job.run_dir / run_card.NAME, card)
    for name in RESULTS:
        _write_json(job.run_dir / name, _result(job, progress))


def best_summary(run_dir: Path, progress: TrainProgress, best_by: str) -> list[str]:
    """Return what is to be said of the best epoch: why it is that one, how it was calibrated."""
    facts = json.loads((run_dir / BEST / f"{BEST}.info.json").read_text(encoding="utf-8"))
    calibration = [facts["calibration"]["summary"]] if "calibration" in facts else []
    return _why_best(progress, best_by) + calibration


def _why_best(progress: TrainProgress, best_by: str) -> list[str]:
    """Say why, where another epoch was right more often."""
    best = progress.best_figures
    other = max(progress.history, key=accuracy)
    if accuracy(other) <= accuracy(best) or best_by not in best or best_by not in other:
        return []
    here, there = (f"epoch {past['epoch']}" for past in (best, other))
    loss = best_by.replace("_", " ")
    return [
        f"{here} is the best by its {loss}, {best[best_by]:.3f} ({there} {other[best_by]:.3f}); "
        f"{there} was right more often, {accuracy(other):.2%} ({here} {accuracy(best):.2%})"
    ]


def _result(job: TrainJob, progress: TrainProgress) -> dict[str, Any]:
    models = {f"last_{n}": entry for n, entry in enumerate(_last(job.run_dir, progress), start=1)}
    best = _entry(job.run_dir, BEST, progress.best)
    return {
        "model_name": job.config.model,
        "label_dict": LABELS,
        "train_log": LOG,
        "visualdl_log": "",
        "config": CONFIG,
        "models": models | {"best": best},
        "done_flag": True,
        "clsctl": {
            "best_epoch": progress.best_epoch,
            "history": progress.history,
            "run_card": run_card.NAME,
        },
    }


def _last(run_dir: Path, progress: TrainProgress) -> list[dict[str, Any]]:
    """The newest checkpoints: kept epochs, or the latest one where none is kept."""
    scores = {int(figures["epoch"]): accuracy(figures) for figures in progress.history}
    kept = [epoch for epoch in sorted(scores, reverse=True) if is_dir(run_dir / f"epoch_{epoch}")]
    entries = [_entry(run_dir, f"epoch_{epoch}", scores[epoch]) for epoch in kept[:LISTED]]
    return entries or [_entry(run_dir, LATEST, scores[progress.epoch])]


def _entry(run_dir: Path, name: str, score: float) -> dict[str, Any]:
    """One checkpoint as PaddleX lists it; a file that is not there has no path."""
    files = {
        **{suffix: f"{name}.{suffix}" for suffix in ("pdparams", "pdopt", "pdstates", "pdema")},
        "inference_config": "inference/inference.yml",
        "pdmodel": "inference/inference.json",
        "pdiparams": "inference/inference.pdiparams",
        "pdiparams.info": "inference/inference.pdiparams.info",
    }
    paths = {key: f"{name}/{file}" for key, file in files.items()}
    return {"score": score} | {
        key: path if is_file(run_dir / path) else "" for key, path in paths.items()
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    _write(path, to_json(content, indent=1) + "\n")


def _write(path: Path, text: str) -> None:
    with atomic_replace(path) as part:
        part.write_text(text, encoding="utf-8")


def remove_leftovers(run_dir: Path) -> None:
    """Remove what a killed process had begun to write."""
    for path in run_dir.glob(".*.part"):
        shutil.rmtree(path, ignore_errors=True)
    for path in run_dir.glob(".*.tmp"):
        path.unlink(missing_ok=True)
