"""Choose and order models by what the catalog says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from clsctl.errors import UsageError, unknown_name
from clsctl.values import ModelEntry

Keep = Callable[[ModelEntry], bool]


def requested(filters: Mapping[str, tuple[object, Keep]]) -> dict[str, Keep]:
    """Return the filters that were asked for, by what the user typed.

    Args:
        filters: By option, its value (None or False where it was not given) and the filter.
    """
    return {
        option if value is True else f"{option} {_typed(value)}": keep
        for option, (value, keep) in filters.items()
        if value is not None and value is not False
    }


def passing(models: Iterable[ModelEntry], filters: Iterable[Keep]) -> list[ModelEntry]:
    """Return the models that pass every filter."""
    keeps = list(filters)
    return [entry for entry in models if all(keep(entry) for keep in keeps)]


def within(low: float | None, high: float | None) -> bool:
    """Whether both are known and in order; a model without the figure passes no filter on it."""
    return low is not None and high is not None and low <= high


def normal_mode(latency: tuple[float, float] | None) -> float | None:
    """Return the latency in normal mode, where it is published."""
    return latency[0] if latency else None


def spelled_family(name: str, models: Iterable[ModelEntry]) -> str:
    """Return a family's name in the catalog's own spelling.

    Raises:
        UsageError: There is no such family (`E_FAMILY_UNKNOWN`).
    """
    families = {entry.family.lower(): entry.family for entry in models}
    if name.lower() not in families:
        raise UsageError(
            unknown_name("family", name, families.values()),
            code="E_FAMILY_UNKNOWN",
            hint=f"families: {', '.join(sorted(families.values()))}",
        )
    return families[name.lower()]


def on_pareto_front(models: Sequence[ModelEntry]) -> list[ModelEntry]:
    """Return the models that no other equals or beats in both top-1 and CPU latency, normal mode.

    Models without these figures are left out; of two with the same figures both stay.
    """
    from clsctl.bench.recommend import undominated

    figures = {
        entry.name: (entry.top1, -entry.cpu_ms[0])
        for entry in models
        if entry.top1 is not None and entry.cpu_ms is not None
    }
    best = undominated(figures)
    return [entry for entry in models if entry.name in best]


def advice(models: Sequence[ModelEntry], filters: Mapping[str, Keep]) -> str:
    """Say which filter to relax when no model passes all of them."""
    without = {
        option: len(passing(models, (keep for other, keep in filters.items() if other != option)))
        for option in filters
    }
    best = max(without, key=without.__getitem__, default="")
    if not best or not without[best]:
        return f"no model matches; relax more than one of {', '.join(filters)}"
    return f"no model matches; without {best} there would be {without[best]}"


def _typed(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _known_first(value: float | None) -> tuple[bool, float]:
    return value is None, value or 0.0


ORDERS: Mapping[str, Callable[[ModelEntry], Any]] = {
    "top1": lambda entry: _known_first(None if entry.top1 is None else -entry.top1),
    "size": lambda entry: _known_first(entry.size_mb),
    "cpu": lambda entry: _known_first(normal_mode(entry.cpu_ms)),
    "gpu": lambda entry: _known_first(normal_mode(entry.gpu_ms)),
    "name": lambda entry: entry.name.lower(),
}
"""Sort keys, by the values of `--sort`."""
