"""The files of a run beside its checkpoints, under the names that PaddleX gives them.

config.yaml, label_dict.txt, train.log, run.json, train_result.json (and train_results.json, as
PaddleX's code calls it), and the folders best_model, latest and epoch_N.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clsctl.errors import UsageError
from clsctl.schema.layers import nest
from clsctl.system.files import atomic_replace
from clsctl.training import run_card
from clsctl.training.checkpoint import BEST, LATEST, Position
from clsctl.training.config.run_config import CONFIG
from clsctl.training.config.sources import ResolvedConfig
from clsctl.training.job import TrainJob

LABELS, LOG = "label_dict.txt", "train.log"
RESULTS = ("train_result.json", "train_results.json")
LISTED = 5


def refuse_to_overwrite(run: Path) -> None:
    """Raise UsageError where the folder holds a run (`E_RUN_EXISTS`)."""
    if (run / CONFIG).exists() or (run / LATEST).exists():
        raise UsageError(
            f"{run} already holds a run",
            code="E_RUN_EXISTS",
            hint=f"go on with it by `clsctl train --resume {run}`, or choose another folder by -o",
        )


@contextmanager
def started(job: TrainJob, resolved: ResolvedConfig) -> Iterator[None]:
    """Write what is known before training; a run that fails before its first checkpoint is none.

    The command that began it can then simply be given again.
    """
    new = not (job.run / CONFIG).exists()
    _write_start(job, resolved)
    try:
        yield
    finally:
        if new and not (job.run / LATEST).exists():
            (job.run / CONFIG).unlink(missing_ok=True)


def _write_start(job: TrainJob, resolved: ResolvedConfig) -> None:
    """Write configuration, class names and run card."""
    import yaml

    job.run.mkdir(parents=True, exist_ok=True)
    labels = "".join(f"{label} {name}\n" for label, name in enumerate(job.labels))
    _write(job.run / LABELS, labels)
    card = {
        "environment": run_card.environment(str(job.device)),
        "dataset": {
            "path": str(job.dataset.root),
            "fingerprint": run_card.fingerprint(job.dataset),
            "images": {name: len(samples) for name, samples in job.dataset.splits.items()},
        },
        "seed": job.config.seed,
        "origins": dict(resolved.origins),
    }
    _write_json(job.run / run_card.NAME, card)
    # Last: a folder with a configuration counts as a run.
    text = yaml.safe_dump(nest(resolved.values()), sort_keys=False, allow_unicode=True)
    _write(job.run / CONFIG, text)


def write_end(job: TrainJob, position: Position) -> None:
    """Write what is known after training: the result, and the outputs' hashes."""
    card = json.loads((job.run / run_card.NAME).read_text(encoding="utf-8"))
    card["history"] = position.history
    card["outputs"] = run_card.output_hashes(job.run)
    _write_json(job.run / run_card.NAME, card)
    for name in RESULTS:
        _write_json(job.run / name, _result(job, position))


def _result(job: TrainJob, position: Position) -> dict[str, Any]:
    models = {f"last_{n}": entry for n, entry in enumerate(_last(job.run, position), start=1)}
    best = _entry(job.run, BEST, position.best)
    return {
        "model_name": job.config.model,
        "label_dict": LABELS,
        "train_log": LOG,
        "visualdl_log": "",
        "config": CONFIG,
        "models": models | {"best": best},
        "done_flag": True,
        "clsctl": {
            "best_epoch": position.best_epoch,
            "history": position.history,
            "run_card": run_card.NAME,
        },
    }


def _last(run: Path, position: Position) -> list[dict[str, Any]]:
    """The newest checkpoints: kept epochs, or the latest one where none is kept."""
    scores = {int(figures["epoch"]): figures["top1"] for figures in position.history}
    kept = [epoch for epoch in sorted(scores, reverse=True) if (run / f"epoch_{epoch}").is_dir()]
    entries = [_entry(run, f"epoch_{epoch}", scores[epoch]) for epoch in kept[:LISTED]]
    return entries or [_entry(run, LATEST, scores[position.epoch])]


def _entry(run: Path, name: str, score: float) -> dict[str, Any]:
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
        key: path if (run / path).is_file() else "" for key, path in paths.items()
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    _write(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _write(path: Path, text: str) -> None:
    with atomic_replace(path) as part:
        part.write_text(text, encoding="utf-8")


def remove_leftovers(run: Path) -> None:
    """Remove what a killed process had begun to write."""
    for path in run.glob(".*.part"):
        shutil.rmtree(path, ignore_errors=True)
    for path in run.glob(".*.tmp"):
        path.unlink(missing_ok=True)
