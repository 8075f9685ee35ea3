"""The accuracy that this machine's milliseconds buy, as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from clsctl.bench.recommend import PUBLISHED, Candidate, front, measured_candidates
from clsctl.bench.records import load_measurements, machine
from clsctl.values import ModelEntry


def draw_front(catalog: Mapping[str, ModelEntry], device: str, dataset: str, path: Path) -> bool:
    """Draw everything that was measured on this machine with its Pareto front.

    Args:
        dataset: What the accuracy is of, as a `Measurement` has it; empty for the published one.

    Returns:
        Whether there was anything to draw.
    """
    wanted = dataset or PUBLISHED
    candidates = measured_candidates(load_measurements(), catalog, device)
    shown = [c for c in candidates if c.accuracy == wanted and c.top1 is not None]
    if not shown:
        return False
    from clsctl.bench.plots import plot_pareto

    names = _names(shown)
    kind = machine()
    plot_pareto(
        {names[c]: (c.ms or 0, c.top1 or 0) for c in shown},
        [names[c] for c in front(shown)],
        f"{kind['processor']}, {kind['cores']} cores",
        f"top-1, % ({Path(wanted).name})",
        path,
    )
    return True


def _names(candidates: Sequence[Candidate]) -> dict[Candidate, str]:
    """The model's name, and below it what else is needed to tell the candidates apart."""
    several = len({candidate.backend for candidate in candidates}) > 1
    names = {}
    for candidate in candidates:
        lower = candidate.precision if candidate.precision != "fp32" else ""
        how = " ".join(filter(None, (candidate.backend if several else "", lower)))
        names[candidate] = "\n".join(filter(None, (candidate.model, how)))
    return names
