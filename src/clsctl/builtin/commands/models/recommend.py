"""`clsctl models recommend`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clsctl.builtin.commands._figures import device_meant
from clsctl.builtin.commands._options import Device
from clsctl.console.messages import note
from clsctl.errors import ModelError
from clsctl.plugin import Command, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clsctl.bench.recommend import Candidate

SHOWN, NEAREST = 5, 3


@hookimpl
def clsctl_commands() -> list[Command]:
    return [Command("models recommend", "Say which model to take within your limits.", recommend)]


def recommend(
    max_ms: Annotated[
        float | None, typer.Option(metavar="MS", min=0.0, help="At most this latency of an image.")
    ] = None,
    min_top1: Annotated[
        float | None,
        typer.Option(metavar="PERCENT", min=0.0, max=100.0, help="At least this top-1 accuracy."),
    ] = None,
    max_mb: Annotated[
        float | None, typer.Option(metavar="MIB", min=0.0, help="At most this size, in MiB.")
    ] = None,
    device: Device = None,
    from_catalog: Annotated[
        bool, typer.Option("--catalog", help="Ask the published figures, not this machine's.")
    ] = False,
    format_: Annotated[
        Literal["table", "json"], typer.Option("--format", help="table or json.")
    ] = "table",
) -> None:
    """Recommend models, the best first: the most accurate, or the fastest where speed is no limit.

    The figures are those that `clsctl bench` measured on this machine; where there are none, and
    with --catalog, those that were published. Where no model is within the limits, the nearest
    are shown and the exit status is 4.
    """
    from clsctl.bench.recommend import Limits, best_first, nearest_first

    limits = Limits(max_ms, min_top1, max_mb)
    candidates, source = _candidates(device, from_catalog)
    fitting = best_first(candidates, limits)[:SHOWN]
    nearest = [] if fitting else nearest_first(candidates, limits)[:NEAREST]
    if format_ == "json":
        _print_json(source, fitting, nearest)
    else:
        _print(source, fitting, nearest)
    if not fitting:
        raise ModelError(
            f"no model is within the limits, of {len(candidates)} with {source}",
            code="E_NO_MODEL_FITS",
            hint="relax a limit; or let `clsctl bench -m NAME` measure more models",
        )


def _candidates(device: str | None, from_catalog: bool) -> tuple[list[Candidate], str]:
    """What to choose from, and whose figures these are."""
    from clsctl.bench.recommend import measured_candidates, published_candidates
    from clsctl.bench.records import load_measurements
    from clsctl.models.catalog import load_catalog

    where = device_meant(device)
    if not from_catalog:
        measured = measured_candidates(load_measurements(), load_catalog(), str(where))
        if measured:
            return measured, f"figures measured on this machine's {where}"
        note(f"nothing was measured on this machine's {where} yet: `clsctl bench -m NAME` does it")
    published = published_candidates(load_catalog(), where.kind)
    if not published:
        raise ModelError(
            f"there are no published figures for {where.kind}",
            code="E_NOT_MEASURED",
            hint=f"clsctl bench -m NAME --device {where}",
        )
    return published, f"published figures for a {where.kind.upper()}"


# ---- print -------------------------------------------------------------------------------------


def _print_json(source: str, fitting: Sequence[Candidate], nearest: Sequence[Candidate]) -> None:
    from dataclasses import asdict

    from clsctl.console.text import print_json

    rows = {"recommended": fitting, "nearest": nearest}
    content = {name: [asdict(candidate) for candidate in rows[name]] for name in rows}
    print_json({"figures": source} | content)


def _print(source: str, fitting: Sequence[Candidate], nearest: Sequence[Candidate]) -> None:
    from clsctl.console.tables import new_table, open_console
    from clsctl.console.text import format_figure

    console = open_console()
    if nearest:
        console.print("Nothing fits. The nearest:")
    table = new_table()
    table.add_column("Model", overflow="fold")
    for header in ("Top-1 %", "ms", "MiB"):
        table.add_column(header, justify="right", no_wrap=True)
    if any(c.backend for c in (*fitting, *nearest)):
        table.add_column("Run by")
    for c in (*fitting, *nearest):
        figures = (format_figure(c.top1), format_figure(c.ms), format_figure(c.mb, digits=1))
        how = [f"{c.backend} {c.precision}"] if c.backend else []
        table.add_row(c.model, *figures, *how)
    console.print(table)
    console.print(f"\n{_meaning(source, (*fitting, *nearest))}", style="dim")
    if fitting:
        console.print(f"\n{_usage(fitting[0])}", soft_wrap=True)


def _meaning(source: str, shown: Sequence[Candidate]) -> str:
    """Whose figures they are; an accuracy may be of another origin than a latency."""
    text = f"{source[0].upper()}{source[1:]}: one image, network only, all cores."
    if any(candidate.backend for candidate in shown):
        return " ".join([text, *_origins(shown)])
    return f"{text} `clsctl models list` says how they were measured."


def _origins(shown: Sequence[Candidate]) -> Iterator[str]:
    from clsctl.bench.recommend import PUBLISHED

    models: dict[str, list[str]] = {}
    for candidate in shown:
        if candidate.top1 is not None:
            models.setdefault(candidate.accuracy, []).append(candidate.model)
    for origin, names in models.items():
        whose = f" of {', '.join(names)}" if len(models) > 1 else ""
        how = "published, on ImageNet-1k" if origin == PUBLISHED else f"measured on {origin}"
        yield f"Top-1{whose}: {how}."
    if len(models) > 1:
        yield "These are not to be compared."


def _usage(best: Candidate) -> str:
    import shlex

    model = f"--model-dir {shlex.quote(best.model_dir)}" if best.model_dir else f"-m {best.model}"
    backend = f" --backend {best.backend}" if best.backend else ""
    lower = f" --precision {best.precision}" if best.precision not in ("", "fp32") else ""
    return f"clsctl predict IMAGE {model}{backend}{lower}"
