"""`clsctl models list`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clsctl.builtin.commands._completion import complete_families
from clsctl.console.messages import status
from clsctl.plugin import Command, hookimpl

if TYPE_CHECKING:
    from clsctl.bench.records import Measurement
    from clsctl.values import ModelEntry

    Measured = Mapping[str, Measurement] | None
    Printer = Callable[[Sequence[ModelEntry], frozenset[str], Measured], None]


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "models list",
            "List the catalog's models with their figures.",
            list_models,
            examples=(
                "clsctl models list --core",
                "clsctl models list --family ResNet --min-top1 78",
            ),
        )
    ]


def list_models(
    core: Annotated[bool, typer.Option("--core", help="Only the core models.")] = False,
    family: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only this family, such as ResNet.",
            autocompletion=complete_families,
        ),
    ] = None,
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
    max_ms: Annotated[
        float | None,
        typer.Option(metavar="MS", help="At most this latency on this machine; as --measured."),
    ] = None,
    pareto: Annotated[
        bool,
        typer.Option("--pareto", help="Of these, only those with no better top-1 at less latency."),
    ] = False,
    measured: Annotated[
        bool, typer.Option("--measured", help="With what `clsctl bench` measured on this machine.")
    ] = False,
    sort: Annotated[
        Literal["top1", "size", "cpu", "gpu", "measured", "name"],
        typer.Option(
            metavar="KEY",
            help="By top1, size, cpu, gpu, measured or name: the best, smallest or fastest first.",
        ),
    ] = "top1",
    format_: Annotated[
        Literal["table", "json", "csv"],
        typer.Option("--format", metavar="NAME", help="table, json or csv."),
    ] = "table",
) -> None:
    """List the catalog's models with their published figures.

    Where several filters are given, a model has to pass all of them. Latency is the published one
    of a CPU, in normal mode; with --measured, --max-ms or --sort measured it is this machine's, of
    one image in fp32 on the fastest backend.
    """
    from clsctl.builtin.commands.models._filters import (
        advice,
        latencies,
        normal_mode,
        on_pareto_front,
        order,
        passing,
        requested,
        spelled_family,
        within,
    )
    from clsctl.models.catalog import load_catalog
    from clsctl.models.store import open_store

    models = list(load_catalog().values())
    here = frozenset(open_store().pulled("inference"))
    family = family and spelled_family(family, models)
    ours = _measured() if measured or max_ms is not None or sort == "measured" else None
    latency_of = latencies(ours)
    filters = requested(
        {
            "--core": (core, lambda entry: entry.core),
            "--family": (family, lambda entry: entry.family == family),
            "--pulled": (pulled, lambda entry: entry.name in here),
            "--min-top1": (min_top1, lambda entry: within(min_top1, entry.top1)),
            "--max-size": (max_size, lambda entry: within(entry.size_mb, max_size)),
            "--max-cpu-ms": (
                max_cpu_ms,
                lambda entry: within(normal_mode(entry.cpu_ms), max_cpu_ms),
            ),
            "--max-ms": (max_ms, lambda entry: within(latency_of(entry), max_ms)),
        }
    )
    chosen = passing(models, filters.values())
    chosen = on_pareto_front(chosen, latency_of) if pareto else chosen
    chosen.sort(key=order(sort, latency_of))
    _PRINTERS[format_](chosen, here, ours)
    if ours == {}:
        status("nothing was measured on this machine yet: `clsctl bench -m NAME` does it")
    if not chosen:
        status(advice(models, filters))
    uncatalogued = here.difference(entry.name for entry in models)
    if pulled and uncatalogued:
        status(f"in no catalog: {', '.join(sorted(uncatalogued))}")


def _measured() -> dict[str, Measurement]:
    """Load the best measurement of each model on this machine."""
    from clsctl.bench.records import best_of_each, load_measurements

    return best_of_each(load_measurements())


def _as_table(models: Sequence[ModelEntry], here: frozenset[str], measured: Measured) -> None:
    from clsctl.builtin.commands.models._table import print_model_table

    if models:
        print_model_table(models, here, measured)


def _as_json(models: Sequence[ModelEntry], here: frozenset[str], measured: Measured) -> None:
    from clsctl.builtin.commands.models._rows import rows_of
    from clsctl.console.text import print_json

    print_json(rows_of(models, here, measured))


def _as_csv(models: Sequence[ModelEntry], here: frozenset[str], measured: Measured) -> None:
    from clsctl.builtin.commands.models._rows import print_csv

    print_csv(models, here, measured)


_PRINTERS: Mapping[str, Printer] = {"table": _as_table, "json": _as_json, "csv": _as_csv}
