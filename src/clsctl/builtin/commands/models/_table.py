"""Print the table that `clsctl models list` prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from clsctl.console.tables import Text, new_table, open_console, stack
from clsctl.console.text import count, format_figure
from clsctl.values import ModelEntry

if TYPE_CHECKING:
    from clsctl.bench.records import Measurement

# Header, cell, and how wide the terminal has to be for the column to appear beside a name of 41
# characters: 80 columns hold the accuracy, the size and one figure for each device.
_Column = tuple[tuple[str, str], Callable[[ModelEntry], str], int]
_MODEL_COLUMNS: Sequence[_Column] = (
    (("Family", ""), lambda entry: entry.family, 118),
    (("Top-1", "%"), lambda entry: format_figure(entry.top1), 0),
    (("CPU ms", "normal"), lambda entry: format_figure(entry.cpu_ms and entry.cpu_ms[0]), 57),
    (("CPU ms", "high-perf."), lambda entry: format_figure(entry.cpu_ms and entry.cpu_ms[1]), 88),
    (("GPU ms", "normal"), lambda entry: format_figure(entry.gpu_ms and entry.gpu_ms[0]), 75),
    (("GPU ms", "high-perf."), lambda entry: format_figure(entry.gpu_ms and entry.gpu_ms[1]), 100),
    (("Size", "MiB"), lambda entry: format_figure(entry.size_mb, digits=1), 66),
)


def print_model_table(
    models: Sequence[ModelEntry],
    pulled: frozenset[str],
    measured: Mapping[str, Measurement] | None = None,
) -> None:
    """Print one line for each model, with as many figures as fit, and where they come from.

    Args:
        pulled: Names of the models that are on this machine.
        measured: This machine's figures by name, to stand beside the published ones.
    """
    console = open_console()
    offered = _MODEL_COLUMNS if measured is None else _with_measured(measured)
    columns = [column for column in offered if console.width >= column[2]]
    table = new_table()
    table.add_column(stack(("Model", "")), no_wrap=True)
    for header, _, _ in columns:
        side: Literal["left", "right"] = "left" if header == ("Family", "") else "right"
        table.add_column(stack(header), justify=side, no_wrap=True)
    # One cell a column: with a row a model Rich takes four times as long, 26 ms of each start.
    names = stack(_marked(entry, entry.name in pulled) for entry in models)
    table.add_row(names, *(stack(map(cell, models)) for _, cell, _ in columns))
    console.print(table)
    here = "" if measured is None else "  Here: measured by `clsctl bench`"
    console.line()
    console.print(f"{count(len(models), 'model')}.  ★ core  ✓ on this machine{here}", style="dim")
    for catalog, figures in {entry.catalog: entry.figures for entry in models}.items():
        console.print(f"Figures of the catalog '{catalog}': {figures}", style="dim")


def _with_measured(measured: Mapping[str, Measurement]) -> Sequence[_Column]:
    """Return columns for published top-1 and CPU latency, and for what this machine showed."""

    def column(header: str, figure_of: Callable[[Measurement], str], width: int) -> _Column:
        def cell(entry: ModelEntry) -> str:
            record = measured.get(entry.name)
            return figure_of(record) if record else format_figure(None)

        return ("Here", header), cell, width

    return (
        *_MODEL_COLUMNS[1:3],
        column("ms", lambda record: format_figure(record.all_threads.p50), 0),
        column("images/s", lambda record: format_figure(record.images_per_second, digits=0), 78),
        column("MiB", lambda record: format_figure(record.memory_mb, digits=0), 88),
        column("top-1", lambda record: format_figure(record.top1), 96),
        column("backend", lambda record: record.backend, 110),
    )


def _marked(entry: ModelEntry, pulled: bool) -> Text:
    marks = f" {'★' * entry.core}{'✓' * pulled}".rstrip()
    return Text.assemble((entry.name, "bold" if entry.core else ""), (marks, "cyan"))
