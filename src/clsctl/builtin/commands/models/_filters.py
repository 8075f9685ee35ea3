"""Choose and order models by the catalog's figures, or by this machine's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from clsctl.errors import UsageError, unknown_name
from clsctl.values import ModelEntry

if TYPE_CHECKING:
    from clsctl.bench.records import Measurement

Keep = Callable[[ModelEntry], bool]
Latency = Callable[[ModelEntry], "float | None"]


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


def latencies(measured: Mapping[str, Measurement] | None) -> Latency:
    """Return a function that gives a model's latency: measured ones where there are any to use.

    Args:
        measured: This machine's figures by name; None for the published latency of a CPU.
    """
    if measured is None:
        return lambda entry: normal_mode(entry.cpu_ms)
    figures = {name: record.all_threads.p50 for name, record in measured.items()}
    return lambda entry: figures.get(entry.name)


def on_pareto_front(models: Sequence[ModelEntry], latency_of: Latency) -> list[ModelEntry]:
    """Return the models that no other equals or beats in both top-1 and latency.

    Models without these figures are left out; of two with the same figures both stay.
    """
    from clsctl.bench.pareto import pareto_front

    figures = {
        entry.name: (entry.top1, -ms)
        for entry in models
        if entry.top1 is not None and (ms := latency_of(entry)) is not None
    }
    best = pareto_front(figures)
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


def order(name: str, latency_of: Latency) -> Callable[[ModelEntry], Any]:
    """Return the sort key that a value of `--sort` stands for."""
    if name == "measured":
        return lambda entry: _known_first(latency_of(entry))
    return _ORDERS[name]


_ORDERS: Mapping[str, Callable[[ModelEntry], Any]] = {
    "top1": lambda entry: _known_first(None if entry.top1 is None else -entry.top1),
    "size": lambda entry: _known_first(entry.size_mb),
    "cpu": lambda entry: _known_first(normal_mode(entry.cpu_ms)),
    "gpu": lambda entry: _known_first(normal_mode(entry.gpu_ms)),
    "name": lambda entry: entry.name.lower(),
}
