"""`clsctl models list` and `clsctl models show`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from clsctl.errors import UsageError, unknown_name
from clsctl.plugin import Command, hookimpl
from clsctl.values import ModelEntry, WeightKind

if TYPE_CHECKING:
    from clsctl.bench.records import Measurement
    from clsctl.models.store import Store

    Measured = Mapping[str, Measurement] | None

Keep = Callable[[ModelEntry], bool]
SortKey = Literal["top1", "size", "cpu", "gpu", "name"]


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command("models", "List, pull and look after models."),
        Command("models list", "List the catalog's models with their figures.", list_models),
        Command("models show", "Show everything that is known about a model.", show_model),
    ]


def list_models(
    core: Annotated[bool, typer.Option("--core", help="Only the core models.")] = False,
    family: Annotated[str | None, typer.Option(help="Only this family, such as ResNet.")] = None,
    pulled: Annotated[
        bool, typer.Option("--pulled", help="Only models that are on this machine.")
    ] = False,
    min_top1: Annotated[
        float | None, typer.Option(metavar="PERCENT", help="At least this top-1 accuracy.")
    ] = None,
    max_size: Annotated[
        float | None, typer.Option(metavar="MIB", help="At most this size, in MiB.")
    ] = None,
    max_cpu_ms: Annotated[
        float | None, typer.Option(metavar="MS", help="At most this CPU latency, normal mode.")
    ] = None,
    pareto: Annotated[
        bool,
        typer.Option("--pareto", help="Of these, only those with no better top-1 at less CPU ms."),
    ] = False,
    measured: Annotated[
        bool, typer.Option("--measured", help="With what `clsctl bench` measured on this machine.")
    ] = False,
    sort: Annotated[
        SortKey, typer.Option(help="Best top-1, smallest or fastest first, or by name.")
    ] = "top1",
    format_: Annotated[Literal["table", "json", "csv"], typer.Option("--format")] = "table",
) -> None:
    """List the catalog's models with their published figures.

    Where several filters are given, a model has to pass all of them.
    """
    from clsctl.models.catalog import load_catalog

    models = list(load_catalog().values())
    here = frozenset(_store().pulled("inference"))
    family = family and _family(family, models)
    filters = _in_force(
        {
            "--core": (core, lambda entry: entry.core),
            "--family": (family, lambda entry: entry.family == family),
            "--pulled": (pulled, lambda entry: entry.name in here),
            "--min-top1": (min_top1, lambda entry: _within(min_top1, entry.top1)),
            "--max-size": (max_size, lambda entry: _within(entry.size_mb, max_size)),
            "--max-cpu-ms": (max_cpu_ms, lambda entry: _within(_normal(entry.cpu_ms), max_cpu_ms)),
        }
    )
    chosen = _passing(models, filters.values())
    chosen = sorted(pareto_front(chosen) if pareto else chosen, key=_ORDERS[sort])
    _PRINTERS[format_](chosen, here, _measured() if measured else None)
    if not chosen:
        print(_advice(models, filters), file=sys.stderr)
    strangers = here.difference(entry.name for entry in models)
    if pulled and strangers:
        print(f"in no catalog: {', '.join(sorted(strangers))}", file=sys.stderr)


def show_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model, as `models list` has it.")],
    format_: Annotated[Literal["table", "json"], typer.Option("--format")] = "table",
) -> None:
    """Show everything that is known about a model, and whether it is on this machine."""
    from clsctl.models.catalog import get_entry
    from clsctl.networks.flops import costs

    entry = get_entry(name)
    counted = costs(entry)
    store = _store()
    paths = {kind: store.find(name, kind) for kind in get_args(WeightKind)}
    if format_ == "json":
        from dataclasses import asdict

        places = {kind: path and str(path) for kind, path in paths.items()}
        network = counted and asdict(counted)
        _print_json(asdict(entry) | {"network": network, "pulled": places})
    else:
        from clsctl.builtin.commands._model_tables import print_model_card

        print_model_card(entry, counted, paths)


def _measured() -> dict[str, Measurement]:
    """The best measurement of each model on this machine."""
    from clsctl.bench.records import best_of_each, load_measurements

    return best_of_each(load_measurements())


def _store() -> Store:
    from clsctl.models.store import open_store
    from clsctl.settings import load_settings

    return open_store(load_settings())


# ---- choose ------------------------------------------------------------------------------------


def pareto_front(models: Sequence[ModelEntry]) -> list[ModelEntry]:
    """The models that no other one equals or beats in both top-1 and CPU latency, normal mode.

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


def _family(name: str, models: Iterable[ModelEntry]) -> str:
    """The family's name in the catalog's own spelling."""
    families = {entry.family.lower(): entry.family for entry in models}
    if name.lower() not in families:
        raise UsageError(
            unknown_name("family", name, families.values()),
            code="E_FAMILY_UNKNOWN",
            hint=f"families: {', '.join(sorted(families.values()))}",
        )
    return families[name.lower()]


def _in_force(filters: Mapping[str, tuple[object, Keep]]) -> dict[str, Keep]:
    """The filters that were asked for, by what a person typed."""
    return {
        option if value is True else f"{option} {_typed(value)}": keep
        for option, (value, keep) in filters.items()
        if value is not None and value is not False
    }


def _typed(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _passing(models: Iterable[ModelEntry], filters: Iterable[Keep]) -> list[ModelEntry]:
    keeps = list(filters)
    return [entry for entry in models if all(keep(entry) for keep in keeps)]


def _within(low: float | None, high: float | None) -> bool:
    """Whether both are known and in order; a model without the figure passes no filter on it."""
    return low is not None and high is not None and low <= high


def _normal(latency: tuple[float, float] | None) -> float | None:
    return latency[0] if latency else None


def _known_first(value: float | None) -> tuple[bool, float]:
    return value is None, value or 0.0


_ORDERS: Mapping[SortKey, Callable[[ModelEntry], Any]] = {
    "top1": lambda entry: _known_first(None if entry.top1 is None else -entry.top1),
    "size": lambda entry: _known_first(entry.size_mb),
    "cpu": lambda entry: _known_first(_normal(entry.cpu_ms)),
    "gpu": lambda entry: _known_first(_normal(entry.gpu_ms)),
    "name": lambda entry: entry.name.lower(),
}


def _advice(models: Sequence[ModelEntry], filters: Mapping[str, Keep]) -> str:
    """Which filter to relax when no model passes all of them."""
    without = {
        option: len(_passing(models, (keep for other, keep in filters.items() if other != option)))
        for option in filters
    }
    best = max(without, key=without.__getitem__, default="")
    if not best or not without[best]:
        return f"no model matches; relax more than one of {', '.join(filters)}"
    return f"no model matches; without {best} there would be {without[best]}"


# ---- print -------------------------------------------------------------------------------------


_COLUMNS: Mapping[str, Callable[[ModelEntry], Any]] = {
    "name": lambda entry: entry.name,
    "family": lambda entry: entry.family,
    "top1": lambda entry: entry.top1,
    "cpu_ms": lambda entry: _normal(entry.cpu_ms),
    "cpu_ms_high_performance": lambda entry: entry.cpu_ms and entry.cpu_ms[1],
    "gpu_ms": lambda entry: _normal(entry.gpu_ms),
    "gpu_ms_high_performance": lambda entry: entry.gpu_ms and entry.gpu_ms[1],
    "size_mb": lambda entry: entry.size_mb,
    "core": lambda entry: entry.core,
    "catalog": lambda entry: entry.catalog,
    "inference": lambda entry: entry.inference and entry.inference.url,
    "training": lambda entry: entry.training and entry.training.url,
}


_MEASURED_COLUMNS: Mapping[str, Callable[[Measurement], Any]] = {
    "measured_ms": lambda record: record.all_threads.p50,
    "measured_images_per_second": lambda record: record.images_per_second,
    "measured_memory_mb": lambda record: record.memory_mb,
    "measured_top1": lambda record: record.top1,
    "measured_backend": lambda record: record.backend,
}


def _rows(
    models: Sequence[ModelEntry], here: frozenset[str], measured: Measured
) -> list[dict[str, Any]]:
    return [
        {name: value(entry) for name, value in _COLUMNS.items()}
        | {"pulled": entry.name in here}
        | ({} if measured is None else _figures(measured.get(entry.name)))
        for entry in models
    ]


def _figures(record: Measurement | None) -> dict[str, Any]:
    return {name: record and value(record) for name, value in _MEASURED_COLUMNS.items()}


def _as_table(models: Sequence[ModelEntry], here: frozenset[str], measured: Measured) -> None:
    from clsctl.builtin.commands._model_tables import print_model_table

    if models:
        print_model_table(models, here, measured)


def _as_json(models: Sequence[ModelEntry], here: frozenset[str], measured: Measured) -> None:
    _print_json(_rows(models, here, measured))


def _as_csv(models: Sequence[ModelEntry], here: frozenset[str], measured: Measured) -> None:
    import csv

    extra = [] if measured is None else _MEASURED_COLUMNS
    writer = csv.DictWriter(sys.stdout, [*_COLUMNS, "pulled", *extra], lineterminator="\n")
    writer.writeheader()
    for row in _rows(models, here, measured):
        writer.writerow(row | {key: str(row[key]).lower() for key in ("core", "pulled")})


def _print_json(value: object) -> None:
    import json

    print(json.dumps(value, indent=2, ensure_ascii=False))


_PRINTERS: Mapping[str, Callable[[Sequence[ModelEntry], frozenset[str], Measured], None]] = {
    "table": _as_table,
    "json": _as_json,
    "csv": _as_csv,
}
