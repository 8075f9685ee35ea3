"""Which model to take: figures of accuracy, latency and size against a person's limits.

The figures are this machine's (`clsctl bench`) or the catalog's, never some of each; only an
accuracy that was not measured is the published one, and a candidate says which it has.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from clsctl.bench.records import Measurement
from clsctl.values import ModelEntry

K = TypeVar("K", bound=Hashable)

PUBLISHED = "published"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way to run a model, and what it costs.

    Attributes:
        model_dir: Where it lies; empty for a model of the catalog.
        backend: Empty for published figures.
        precision: Empty for published figures.
        top1: Percent; None where it is not known.
        accuracy: What `top1` is of: `published`, or the dataset it was measured on.
        ms: Latency of one image, milliseconds; None where it is not known.
        mb: Size of the model, units of 2**20 bytes; None where it is not known.
    """

    model: str
    top1: float | None
    accuracy: str
    ms: float | None
    mb: float | None
    model_dir: str = ""
    backend: str = ""
    precision: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a person wants; None where anything will do."""

    max_ms: float | None = None
    min_top1: float | None = None
    max_mb: float | None = None

    def violation(self, candidate: Candidate) -> float:
        """How far it goes to the limits: above 1 it fails one, infinite where that is not known.

        For the accuracy, the ratio is that of the errors.
        """
        errors = None if candidate.top1 is None else 100 - candidate.top1
        most_errors = None if self.min_top1 is None else 100 - self.min_top1
        pairs = ((candidate.ms, self.max_ms), (errors, most_errors), (candidate.mb, self.max_mb))
        return max((_ratio(value, limit) for value, limit in pairs if limit is not None), default=0)


def measured_candidates(
    measurements: Iterable[Measurement], catalog: Mapping[str, ModelEntry], device: str
) -> list[Candidate]:
    """What was measured on a device with batches of one image.

    A published accuracy is that of float32: below that precision only a measured one counts.
    """
    return [
        _measured(record, catalog.get(record.model))
        for record in measurements
        if record.device == device and record.batch == 1
    ]


def published_candidates(catalog: Mapping[str, ModelEntry], kind: str) -> list[Candidate]:
    """What the catalogs say for a kind of device, in normal mode; none but for CPU and GPU."""
    return [
        Candidate(entry.name, entry.top1, PUBLISHED, latency[0], entry.size_mb)
        for entry in catalog.values()
        if (latency := {"cpu": entry.cpu_ms, "gpu": entry.gpu_ms}.get(kind))
    ]


def best_first(candidates: Iterable[Candidate], limits: Limits) -> list[Candidate]:
    """Those within the limits.

    Where time or size is limited, the most accurate is the best; else the fastest.
    """
    fitting = [candidate for candidate in candidates if limits.violation(candidate) <= 1]
    by_accuracy = limits.max_ms is not None or limits.max_mb is not None

    def order(candidate: Candidate) -> tuple[float, float]:
        wrong, slow = -(candidate.top1 or 0), candidate.ms or float("inf")
        return (wrong, slow) if by_accuracy else (slow, wrong)

    return sorted(fitting, key=order)


def nearest_first(candidates: Iterable[Candidate], limits: Limits) -> list[Candidate]:
    """All of them, by how little they miss the limits."""
    return sorted(candidates, key=limits.violation)


def pareto_front(figures: Mapping[K, tuple[float, float]]) -> set[K]:
    """The Pareto front: what nothing else equals or beats in both figures, higher being better.

    Of two with the same figures both stay.
    """
    return {
        name
        for name, mine in figures.items()
        if not any(
            theirs != mine and theirs[0] >= mine[0] and theirs[1] >= mine[1]
            for theirs in figures.values()
        )
    }


def front(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that no other one equals or beats in both accuracy and latency, the fastest first."""
    figures = {c: (c.top1, -c.ms) for c in candidates if c.top1 is not None and c.ms is not None}
    return sorted(pareto_front(figures), key=lambda candidate: candidate.ms or 0)


def _measured(record: Measurement, entry: ModelEntry | None) -> Candidate:
    top1, accuracy = record.top1, record.dataset
    if top1 is None and entry and record.precision == "fp32" and not record.model_dir:
        top1, accuracy = entry.top1, PUBLISHED
    return Candidate(
        record.model,
        top1,
        accuracy,
        record.all_threads.p50,
        record.size_mb,
        record.model_dir,
        record.backend,
        record.precision,
    )


def _ratio(value: float | None, limit: float) -> float:
    if value is None:
        return float("inf")
    return value / limit if limit > 0 else float("inf") if value > 0 else 1
