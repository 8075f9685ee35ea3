"""Find what nothing else beats in accuracy and latency, and draw it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from clsctl.bench.records import Measurement, machine
from clsctl.values import ModelEntry

K = TypeVar("K", bound=Hashable)


def pareto_front(figures: Mapping[K, tuple[float, float]]) -> set[K]:
    """Return what nothing else equals or beats in both figures, higher being better.

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


def draw_front(
    measurements: Sequence[Measurement],
    catalog: Mapping[str, ModelEntry],
    device: str,
    dataset: str,
    path: Path,
) -> bool:
    """Draw accuracy over latency of what was measured on a device with one image, and its front.

    Args:
        dataset: What the accuracy was measured on, as a `Measurement` has it; empty for the
            published one, which is that of fp32.

    Returns:
        Whether there was anything to draw.
    """
    shown = [
        (record, top1)
        for record in measurements
        if (record.device, record.batch) == (device, 1)
        and (top1 := _top1(record, catalog.get(record.model), dataset)) is not None
    ]
    if not shown:
        return False
    from clsctl.bench.plots import plot_pareto

    several = len({record.backend for record, _ in shown}) > 1
    points = {_label(record, several): (record.all_threads.p50, top1) for record, top1 in shown}
    front = pareto_front({name: (top1, -ms) for name, (ms, top1) in points.items()})
    kind = machine()
    plot_pareto(
        points,
        sorted(front, key=points.__getitem__),
        f"{kind['processor']}, {kind['cores']} cores",
        f"top-1, % ({Path(dataset or 'published').name})",
        path,
    )
    return True


def _top1(record: Measurement, entry: ModelEntry | None, dataset: str) -> float | None:
    """The accuracy in percent; None where it is not known."""
    if dataset:
        return record.top1 if record.dataset == dataset else None
    exact = record.precision == "fp32" and not record.model_dir
    return entry.top1 if entry and exact else None


def _label(record: Measurement, several: bool) -> str:
    """The model's name, and below it what else tells the points apart."""
    lower = record.precision if record.precision != "fp32" else ""
    how = " ".join(filter(None, (record.backend if several else "", lower)))
    return "\n".join(filter(None, (record.model, how)))
