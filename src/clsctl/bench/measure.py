"""Measure what every combination of model, backend, precision and batch size costs.

Each is measured in processes of its own, so that memory and cold start are true, and a crash in
native code ends one measurement only. The rounds go through all combinations in turn (A B, A
B, ...): a machine that is slower for a while is so for all of them, and medians are taken.
"""

from __future__ import annotations

import functools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from clsctl.bench.records import Measurement, Percentiles
from clsctl.console.progress import no_progress
from clsctl.datasets.samples import Layout
from clsctl.errors import ClsctlError, ModelError
from clsctl.models.directory import read_model_dir
from clsctl.models.integrity import weights_sha256
from clsctl.system.processes import failure_of, run_module
from clsctl.values import DeviceId, ModelSpec, Progress


@dataclass(frozen=True, slots=True)
class Combination:
    """What one row of the report measures.

    Attributes:
        path: The model directory, or the graph's file; absolute.
        own: Whether the user named the path, rather than a model of a catalog.
        backend: A backend's name, or `auto` until it is prepared.
    """

    model: str
    path: Path
    own: bool
    device: DeviceId
    backend: str
    precision: str
    batch: int

    @property
    def settings(self) -> dict[str, str]:
        """Settings for a process that runs it."""
        return {
            "device": str(self.device),
            "backend": self.backend,
            "precision": self.precision,
        }


@dataclass(frozen=True, slots=True)
class Failure:
    """A combination that could not be measured, and why."""

    combination: Combination
    error: ClsctlError

    def as_dict(self) -> dict[str, Any]:
        """As plain values: the combination's names, and the error."""
        what = self.combination
        names = {"model": what.model, "backend": what.backend, "precision": what.precision}
        return {**names, "batch": what.batch, "error": self.error.as_dict()}


@dataclass(frozen=True, slots=True)
class Method:
    """How to measure, and on what.

    Attributes:
        folder: One of ours, for processes to run in.
        pictures: Images to classify, in turn; absolute paths.
        images: How many of them for one figure of throughput.
        rounds: How often each combination is measured.
        dataset: A dataset's folder or table, for the accuracy; None leaves it out.
        layout: Of the dataset; see `clsctl.datasets.layouts.detect.read_dataset`.
        split: The part of the dataset.
    """

    folder: Path
    pictures: Sequence[Path]
    images: int
    rounds: int
    dataset: Path | None = None
    layout: Layout | None = None
    split: str = "val"


def combine(
    models: Iterable[tuple[ModelSpec, Path | None]],
    device: DeviceId,
    backends: Sequence[str],
    precisions: Sequence[str],
    batches: Sequence[int],
) -> list[Combination]:
    """List all combinations; with each model comes its path, where the user named that."""
    return [
        Combination(
            spec.name,
            (own or spec.directory).absolute(),
            own is not None,
            device,
            backend,
            precision,
            batch,
        )
        for spec, own in models
        for backend in backends
        for precision in precisions
        for batch in batches
    ]


def measure(
    combinations: Sequence[Combination], method: Method, progress: Progress = no_progress
) -> tuple[list[Measurement], list[Failure]]:
    """Measure combinations in rounds; one that fails is left out from then on."""
    subjects = [_Subject(combination) for combination in combinations]
    failures: list[Failure] = []
    done, total = 0, len(subjects) * (1 + method.rounds)
    for stage in _stages(method):
        for subject in subjects:
            progress(done, total)
            done += 1
            try:
                stage(subject)
            except ClsctlError as error:
                failures.append(Failure(subject.combination, error))
        failed = [failure.combination for failure in failures]
        subjects = [subject for subject in subjects if subject.combination not in failed]
    return [_summary(subject, method) for subject in subjects], failures


@dataclass(slots=True)
class _Subject:
    """A combination and its figures: facts that hold for all rounds, and a dict for each round."""

    combination: Combination
    facts: dict[str, Any] = field(default_factory=dict)
    rounds: list[dict[str, Any]] = field(default_factory=list)


def _stages(method: Method) -> Iterator[Callable[[_Subject], None]]:
    """Convert models, resolve `auto` and find accuracies; then measure, round after round."""

    @functools.cache
    def facts(combination: Combination) -> dict[str, Any]:
        dataset = method.dataset and str(method.dataset)
        return _in_child(
            combination,
            method,
            work="prepare",
            dataset=dataset,
            layout=method.layout,
            split=method.split,
        )

    def prepare(subject: _Subject) -> None:
        # None of this depends on the batch size, and an accuracy may take long to find.
        subject.facts = dict(facts(replace(subject.combination, batch=1)))
        subject.combination = replace(subject.combination, backend=subject.facts.pop("backend"))

    yield prepare
    yield from [functools.partial(_measure_once, method=method)] * method.rounds


def _measure_once(subject: _Subject, method: Method) -> None:
    combination = subject.combination
    figures = _in_child(
        combination,
        method,
        work="speed",
        pictures=[str(picture) for picture in method.pictures],
        batch=combination.batch,
        images=method.images,
    )
    figures["cold_start_s"] = _cold_start(combination, method)
    subject.rounds.append(figures)


def _in_child(combination: Combination, method: Method, **task: object) -> dict[str, Any]:
    """Run one task of `clsctl.bench.child` in a fresh process; returns its outcome."""
    task |= {"settings": combination.settings, "model_dir": str(combination.path)}
    child = run_module("clsctl.bench.child", json.dumps(task), folder=method.folder)
    if child.returncode:
        raise _failed(combination, failure_of(child))
    outcome: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    if "error" in outcome:
        raise ModelError(**outcome["error"])
    return outcome


def _cold_start(combination: Combination, method: Method) -> float:
    """Measure the seconds from the start of a `clsctl predict` to its first result."""
    command = [sys.executable, "-m", "clsctl", "predict", str(method.pictures[0])]
    command += ["--model-dir", str(combination.path), "--format", "jsonl"]
    for option, value in combination.settings.items():
        command += [f"--{option}", value]
    start = time.perf_counter()
    with subprocess.Popen(
        command, cwd=method.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        first = child.stdout.readline() if child.stdout else b""
        seconds = time.perf_counter() - start
    if not first or child.returncode:
        raise _failed(combination, f"`clsctl predict` ended with exit status {child.returncode}")
    return seconds


def _failed(combination: Combination, reason: str) -> ModelError:
    return ModelError(
        f"{combination.model} could not be measured with {combination.backend}: {reason}",
        code="E_BENCH_FAILED",
        hint=f"`clsctl predict IMAGE --model-dir {combination.path} --backend "
        f"{combination.backend}` shows whether it works at all",
    )


# ---- what remains of the rounds ----------------------------------------------------------------


def _summary(subject: _Subject, method: Method) -> Measurement:
    combination = subject.combination
    spec = read_model_dir(combination.path)
    return Measurement(
        model=combination.model,
        model_dir=str(combination.path) if combination.own else "",
        weights=weights_sha256(spec),
        device=str(combination.device),
        backend=combination.backend,
        precision=combination.precision,
        batch=combination.batch,
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        size_mb=sum(path.stat().st_size for path in (spec.graph, spec.params) if path) / 2**20,
        **_medians(subject.rounds),
        **subject.facts,
        dataset=f"{method.dataset}, {method.split}" if method.dataset else "",
    )


def _medians(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The median of each figure over the rounds; of a latency, percentile by percentile."""
    return {name: _median([figures[name] for figures in rounds]) for name in rounds[0]}


def _median(values: Sequence[Any]) -> Any:
    if isinstance(values[0], dict):
        return Percentiles(**_medians(values))
    return None if None in values else statistics.median(values)
