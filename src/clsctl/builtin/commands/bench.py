"""`clsctl bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clsctl.builtin.commands._completion import (
    complete_models,
    complete_precisions,
    complete_registered,
)
from clsctl.builtin.commands._options import (
    ADVANCED,
    MODEL,
    OUTPUT,
    SPEED,
    Device,
    Format,
    Layout,
    Split,
    dataset_option,
)
from clsctl.console.text import print_line
from clsctl.errors import UsageError, unknown_name
from clsctl.plugin import Command, hookimpl
from clsctl.values import PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clsctl.bench.measure import Failure
    from clsctl.bench.records import Measurement
    from clsctl.plugin import DeviceId, ModelSpec
    from clsctl.plugin.registry import Registry
    from clsctl.settings import Settings

MOST_PICTURES = 100


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "bench",
            "Measure what models cost on this machine.",
            bench,
            examples=(
                "clsctl bench -m PP-LCNet_x1_0",
                "clsctl bench -m PP-LCNet_x1_0 -m ResNet50 -o bench",
            ),
        )
    ]


def bench(
    models: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--model",
            metavar="MODEL",
            rich_help_panel=MODEL,
            help="A catalog name, model directory, run folder or ONNX file; repeatable.",
            show_default="all in the store",
            autocompletion=complete_models,
        ),
    ] = None,
    model_dirs: Annotated[
        list[Path] | None,
        typer.Option(
            "--model-dir",
            metavar="DIR",
            rich_help_panel=MODEL,
            help="A model directory of your own; repeatable.",
        ),
    ] = None,
    backends: Annotated[
        str | None,
        typer.Option(
            "--backend",
            metavar="NAME,...",
            rich_help_panel=SPEED,
            help="Backends to compare; all, or auto: what predict would take.",
            show_default="auto",
            autocompletion=complete_registered("backends", ("auto", ""), ("all", "")),
        ),
    ] = None,
    batches: Annotated[
        str,
        typer.Option(
            "-b",
            "--batch",
            metavar="N,...",
            rich_help_panel=SPEED,
            help="Images in one run of the network.",
        ),
    ] = "1",
    precisions: Annotated[
        str,
        typer.Option(
            "--precision",
            metavar="NAME,...",
            rich_help_panel=SPEED,
            help=f"{', '.join(PRECISIONS)}.",
            autocompletion=complete_precisions,
        ),
    ] = "fp32",
    dataset: Annotated[
        Path | None, dataset_option("Measure accuracy too, on this folder or table.")
    ] = None,
    layout: Layout = None,
    split: Split = "val",
    images: Annotated[
        int,
        typer.Option(
            min=1, rich_help_panel=ADVANCED, help="Classified for one figure of throughput."
        ),
    ] = 128,
    rounds: Annotated[
        int,
        typer.Option(
            min=1, rich_help_panel=ADVANCED, help="Measurements of each; the median counts."
        ),
    ] = 3,
    device: Device = None,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            rich_help_panel=OUTPUT,
            help="Where bench.json and pareto.png go.",
        ),
    ] = Path("output"),
    format_: Format = "table",
) -> None:
    """Measure cold start, latency, throughput, memory and accuracy, each in a fresh process.

    Every combination of model, backend, precision and batch size is measured, in turn, several
    times over. One that does not work is reported with its reason, and does not stop the others.
    The figures are kept for `clsctl models list --measured` and `clsctl plan`.
    """
    from clsctl.bench.measure import Method, combine, measure
    from clsctl.bench.records import save_measurements
    from clsctl.console.progress import count_bar
    from clsctl.inference.devices import select_device
    from clsctl.plugin.registry import default_registry
    from clsctl.settings import load_settings
    from clsctl.system.files import require_output_folder
    from clsctl.system.temporary import scratch_folder

    settings, registry = load_settings(device=device), default_registry()
    where = select_device(settings.device, registry)
    combinations = combine(
        _models(models or [], model_dirs or [], settings),
        where,
        _backends(backends or settings.backend, where, registry),
        _precisions(precisions),
        _batches(batches),
    )
    # These fail now, not after minutes of measuring.
    save_measurements([])
    require_output_folder(output)
    with scratch_folder() as folder, count_bar("measuring", "measurements") as progress:
        pictures = _pictures(folder, dataset, layout, split)
        whole = dataset and dataset.absolute()
        method = Method(folder, pictures, images, rounds, whole, layout, split)
        measurements, failures = measure(combinations, method, progress)
    if not measurements:
        raise failures[0].error
    save_measurements(measurements)
    _report(measurements, failures, output, format_)


def _report(
    measurements: Sequence[Measurement], failures: Sequence[Failure], output: Path, format_: str
) -> None:
    from clsctl.bench.pareto import draw_front
    from clsctl.bench.printing import print_bench
    from clsctl.bench.records import as_json, load_measurements
    from clsctl.models.catalog import load_catalog
    from clsctl.system.files import atomic_output

    text = as_json(measurements, failures=[failure.as_dict() for failure in failures])
    with atomic_output(output / "bench.json") as part:
        part.write_text(text, encoding="utf-8")
    first = measurements[0]
    catalog, picture = load_catalog(), output / "pareto.png"
    drawn = draw_front(load_measurements(), catalog, first.device, first.dataset, picture)
    if format_ == "json":
        print(text, end="")  # noqa: T201, JSON
        return
    print_bench(measurements, failures, catalog)
    print_line()
    print_line(f"Files: {output}/bench.json" + (f" and {output}/pareto.png" if drawn else ""))


# ---- what to measure ---------------------------------------------------------------------------


def _models(
    names: Sequence[str], folders: Sequence[Path], settings: Settings
) -> list[tuple[ModelSpec, Path | None]]:
    """Find each model, pulled where necessary, and its path where the user named one."""
    from clsctl.console.progress import transfer_bar
    from clsctl.models.locate import find_model, resolve_model
    from clsctl.models.store import open_store

    if not names and not folders:
        names = open_store(settings).pulled()
    if not names and not folders:
        raise UsageError(
            "there is no model on this machine to measure",
            code="E_MODEL_CHOICE",
            hint="name one: clsctl bench -m MODEL, which pulls it where necessary",
        )
    with transfer_bar("pulling the model") as progress:
        known = [
            (find_model(name, None, settings, progress), resolve_model(name).exported)
            for name in names
        ]
    return known + [(find_model(None, folder, settings), folder) for folder in folders]


def _backends(text: str, device: DeviceId, registry: Registry) -> list[str]:
    """Split the names that were given; `all` stands for those that run on the device."""
    from clsctl.inference.devices import get_device

    if text == "all":
        kind, backends = get_device(device, registry), registry.items("backends").values()
        return [backend.name for backend in backends if backend.precisions_on(kind)]
    names = _listed(text)
    for name in set(names) - {"auto"}:
        registry.get("backends", name)
    return names


def _precisions(text: str) -> list[str]:
    names = _listed(text)
    for name in names:
        if name not in PRECISIONS:
            raise UsageError(unknown_name("precision", name, PRECISIONS), code="E_VALUE")
    return names


def _batches(text: str) -> list[int]:
    sizes = _listed(text)
    for size in sizes:
        if not size.isdecimal() or int(size) < 1:
            raise UsageError(
                f"a batch size is a whole number, 1 or more, not '{size}'",
                code="E_VALUE",
                hint="several are separated by commas: --batch 1,8",
            )
    return [int(size) for size in sizes]


def _listed(text: str) -> list[str]:
    """Split a list at its commas, without repetitions."""
    items = list(dict.fromkeys(item.strip() for item in text.split(",") if item.strip()))
    if not items:
        raise UsageError("--backend, --batch and --precision each need an item", code="E_VALUE")
    return items


def _pictures(scratch: Path, dataset: Path | None, layout: Layout, split: str) -> list[Path]:
    """Choose from the dataset's own images, else make synthetic photos."""
    from clsctl.bench.photos import write_photos
    from clsctl.datasets.layouts.detect import read_valid_dataset
    from clsctl.datasets.printing import print_notes
    from clsctl.evaluation.class_mapping import samples_of

    if dataset is None:
        return write_photos(scratch)
    found = read_valid_dataset(dataset, layout=layout)
    print_notes(found)
    paths = [found.image_path(sample).absolute() for sample in samples_of(found, split)]
    return paths[:: -(-len(paths) // MOST_PICTURES)]
