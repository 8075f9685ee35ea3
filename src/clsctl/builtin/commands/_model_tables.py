"""The tables and cards that a person reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from clsctl.console.tables import format_figure, open_console
from clsctl.values import ModelEntry, Preprocessing, WeightKind

if TYPE_CHECKING:
    from clsctl.bench.records import Measurement
    from clsctl.networks.flops import Costs

FLOAT_BYTES = 4
LABELS: Mapping[WeightKind, str] = {
    "inference": "Inference model",
    "training": "Training weights",
}
LIBRARIES = {"cv2": "OpenCV", "pil": "Pillow"}

# Header, cell, and how wide the terminal has to be for the column to appear beside a name of 41
# characters: 80 columns hold the accuracy, the size and one format_figure for each device.
_Column = tuple[str, Callable[[ModelEntry], str], int]
_MODEL_COLUMNS: Sequence[_Column] = (
    ("Family\n", lambda entry: entry.family, 118),
    ("Top-1\n%", lambda entry: format_figure(entry.top1), 0),
    ("CPU ms\nnormal", lambda entry: format_figure(entry.cpu_ms and entry.cpu_ms[0]), 57),
    ("CPU ms\nhigh-perf.", lambda entry: format_figure(entry.cpu_ms and entry.cpu_ms[1]), 88),
    ("GPU ms\nnormal", lambda entry: format_figure(entry.gpu_ms and entry.gpu_ms[0]), 75),
    ("GPU ms\nhigh-perf.", lambda entry: format_figure(entry.gpu_ms and entry.gpu_ms[1]), 100),
    ("Size\nMiB", lambda entry: format_figure(entry.size_mb, digits=1), 66),
)


# ---- models ------------------------------------------------------------------------------------


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
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("Model\n", no_wrap=True)
    for header, _, _ in columns:
        table.add_column(header, justify="left" if header == "Family\n" else "right", no_wrap=True)
    # One cell a column: with a row a model Rich takes four times as long, 26 ms of each start.
    names = Text("\n").join(_marked(entry, entry.name in pulled) for entry in models)
    table.add_row(names, *("\n".join(map(cell, models)) for _, cell, _ in columns))
    console.print(table)
    count = "1 model" if len(models) == 1 else f"{len(models)} models"
    here = "" if measured is None else "  Here: measured by `clsctl bench`"
    console.print(f"\n{count}.  ★ core  ✓ on this machine{here}", style="dim")
    for catalog, figures in {entry.catalog: entry.figures for entry in models}.items():
        console.print(f"Figures of the catalog '{catalog}': {figures}", style="dim")


def _with_measured(measured: Mapping[str, Measurement]) -> Sequence[_Column]:
    """Published top-1 and CPU latency, and what this machine showed."""

    def column(header: str, figure_of: Callable[[Measurement], str], width: int) -> _Column:
        def cell(entry: ModelEntry) -> str:
            return (
                figure_of(measured[entry.name]) if entry.name in measured else format_figure(None)
            )

        return f"Here\n{header}", cell, width

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


def print_model_card(
    entry: ModelEntry, costs: Costs | None, paths: Mapping[WeightKind, Path | None]
) -> None:
    """Print everything that is known about one model.

    Args:
        entry: The model.
        costs: Of its network; None where no plugin has it.
        paths: Where each kind of weights is on this machine; None where it is not.
    """
    console = open_console()
    console.print(Text.assemble((entry.name, "bold"), ("  ★ core" if entry.core else "", "cyan")))
    console.print(Text(f"{entry.family}: {entry.summary}\n"))
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(style="dim", no_wrap=True)
    for label, value in _facts(entry, costs):
        facts.add_row(label, Text(value))
    console.print(facts)
    # A URL or a path is never broken into lines, so that it can be copied.
    for kind, path in paths.items():
        for line in _whereabouts(entry, kind, path):
            console.print(line, soft_wrap=True)


def _facts(entry: ModelEntry, costs: Costs | None) -> Iterable[tuple[str, str]]:
    yield "Top-1", "not published" if entry.top1 is None else f"{entry.top1:.2f} %"
    yield "CPU latency", _latency(entry.cpu_ms)
    yield "GPU latency", _latency(entry.gpu_ms)
    yield "Size", "not published" if entry.size_mb is None else f"{entry.size_mb:.1f} MiB"
    yield "Parameters", _parameters(costs)
    yield "MACs", _macs(costs, entry.preprocessing.crop)
    yield "Figures", entry.figures
    yield "Catalog", entry.catalog
    yield "Preprocessing", _in_words(entry.preprocessing)
    if entry.exported != entry.preprocessing:
        yield "  as exported", _in_words(entry.exported)


def _latency(milliseconds: tuple[float, float] | None) -> str:
    if milliseconds is None:
        return "not published"
    normal, high = milliseconds
    return f"{normal:.2f} ms in normal mode, {high:.2f} ms in high-performance mode"


def _parameters(costs: Costs | None) -> str:
    if costs is None:
        return "unknown: no plugin has a network of this name"
    mebibytes = costs.parameters * FLOAT_BYTES / 2**20
    return f"{costs.parameters / 1e6:.2f} M counted, {mebibytes:.1f} MiB as float32"


def _macs(costs: Costs | None, side: int) -> str:
    if costs is None:
        return "unknown"
    return f"{costs.macs / 1e9:.2f} G counted, for an image of {side} x {side} pixels"


def _in_words(steps: Preprocessing) -> str:
    how = f"({steps.interpolation}, {LIBRARIES.get(steps.backend, steps.backend)})"
    side = f"{steps.crop} x {steps.crop} pixels"
    if steps.crop_fraction:
        size = f"cut out the centre square of {steps.crop_fraction:g} of the short side, "
        size += f"resize it to {side} {how}"
    else:
        size = f"resize the short side to {steps.resize_short} pixels {how}, "
        size = f"{size if steps.resize_short else ''}keep the centre {side}"
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (steps.mean, steps.std))
    return f"{size}, scale RGB to 0..1, subtract ({mean}), divide by ({std})"


def _whereabouts(entry: ModelEntry, kind: WeightKind, path: Path | None) -> Iterable[Text]:
    artifact = entry.artifact(kind)
    yield Text(f"\n{LABELS[kind]}", style="bold")
    if artifact is None:
        yield Text("not published")
    else:
        yield Text(artifact.url)
    if artifact and artifact.sha256:
        yield Text(f"SHA256 {artifact.sha256}")
    if path is not None:
        yield Text.assemble("on this machine: ", (str(path), "green"))
    elif artifact is not None:
        option = " --weights train" if kind == "training" else ""
        yield Text(f"not on this machine: `clsctl models pull {entry.name}{option}`")
