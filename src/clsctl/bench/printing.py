"""Print the report of `clsctl bench`: a row a combination, below the model's published figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich.console import Console

from clsctl.bench.measure import Failure
from clsctl.bench.records import Measurement, machine
from clsctl.console.tables import Text, new_table, open_console, stack
from clsctl.console.text import format_figure
from clsctl.values import ModelEntry

# Header, width, how wide the terminal has to be for the column to appear, and the cell.
_Column = tuple[tuple[str, str], int, int, Callable[[Measurement], str]]
_COLUMNS: Sequence[_Column] = (
    (("Backend", ""), 12, 0, lambda row: row.backend),
    (("Type", ""), 4, 0, lambda row: row.precision),
    (("Batch", ""), 5, 0, lambda row: str(row.batch)),
    (("Cold", "start s"), 7, 0, lambda row: format_figure(row.cold_start_s)),
    (("1 thread", "p50 ms"), 8, 0, lambda row: format_figure(row.one_thread.p50)),
    (("", "p90"), 7, 114, lambda row: format_figure(row.one_thread.p90)),
    (("", "p99"), 7, 96, lambda row: format_figure(row.one_thread.p99)),
    (("All", "cores ms"), 8, 0, lambda row: format_figure(row.all_threads.p50)),
    (("", "p90"), 7, 114, lambda row: format_figure(row.all_threads.p90)),
    (("", "p99"), 7, 96, lambda row: format_figure(row.all_threads.p99)),
    (("Images", "/s"), 6, 0, lambda row: format_figure(row.images_per_second, digits=0)),
    (("Memory", "MiB"), 6, 0, lambda row: format_figure(row.memory_mb, digits=0)),
    (("Top-1", "%"), 5, 0, lambda row: format_figure(row.top1)),
)


def print_bench(
    measurements: Sequence[Measurement],
    failures: Sequence[Failure],
    catalog: Mapping[str, ModelEntry],
) -> None:
    """Print the rows of each model, the reasons for those that are missing, and how to read it."""
    console = open_console()
    columns = [column for column in _COLUMNS if console.width >= column[2]]
    for number, ((name, folder), rows) in enumerate(_by_model(measurements).items()):
        if number:
            console.line()
        console.print(Text(name, style="bold"))
        origin = folder or _published(catalog.get(name), rows[0].device)
        console.print(Text(origin, style="dim"), soft_wrap=True)
        _print_rows(console, columns, rows, header=number == 0)
    for reason, names in _by_reason(failures).items():
        console.line()
        console.print(Text.assemble("Not measured: ", (reason, "red")))
        console.print(Text(", ".join(names), style="dim"))
    console.line()
    console.print(f"{_conditions(measurements[0])}", style="dim")


def _by_model(measurements: Sequence[Measurement]) -> dict[tuple[str, str], list[Measurement]]:
    groups: dict[tuple[str, str], list[Measurement]] = {}
    for row in measurements:
        groups.setdefault((row.model, row.model_dir), []).append(row)
    return groups


def _print_rows(
    console: Console, columns: Sequence[_Column], rows: Sequence[Measurement], header: bool
) -> None:
    """Print tables of the same widths, so that one header stands above all of them."""
    table = new_table()
    table.show_header = header
    for number, (title, width, _, _) in enumerate(columns):
        table.add_column(stack(title), width=width, justify="right" if number > 1 else "left")
    for row in rows:
        table.add_row(*(cell(row) for _, _, _, cell in columns))
    console.print(table)


def _published(entry: ModelEntry | None, device: str) -> str:
    """What the catalog says of the model on such a device."""
    if entry is None:
        return "in no catalog"
    kind = device.partition(":")[0]
    figures = ["published:"]
    if entry.top1:
        figures.append(f"top-1 {entry.top1:g} %")
    if latency := entry.latency(kind):
        figures.append(f"{kind.upper()} {latency[0]:g} ms, {latency[1]:g} high-performance")
    if entry.size_mb:
        figures.append(f"{entry.size_mb:.1f} MiB")
    return "   ".join(figures)


def _by_reason(failures: Sequence[Failure]) -> dict[str, list[str]]:
    """The names of the combinations that failed for the same reason."""
    groups: dict[str, list[str]] = {}
    for failure in failures:
        what = failure.combination
        name = f"{what.model} {what.backend} {what.precision} batch {what.batch}"
        groups.setdefault(failure.error.message, []).append(name)
    return groups


def _conditions(row: Measurement) -> str:
    accuracy = f" Top-1 on {row.dataset}." if row.dataset else ""
    return (
        f"{machine()['processor']}, {row.threads} cores. Cold start: from the start of `clsctl "
        "predict` to its first result. Latency: one run of the network on a batch. Images/s: from "
        f"files to classes. Memory: the most that one process held.{accuracy} `clsctl models "
        "list --max-ms MS` chooses by these figures."
    )
