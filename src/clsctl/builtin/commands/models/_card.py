"""Print the card that `clsctl models show` prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.console.tables import Text, new_grid, open_console
from clsctl.values import ModelEntry, Preprocessing, WeightKind

if TYPE_CHECKING:
    from clsctl.networks.flops import Costs

FLOAT_BYTES = 4
LABELS: Mapping[WeightKind, str] = {
    "inference": "Inference model",
    "training": "Training weights",
}
LIBRARIES = {"cv2": "OpenCV", "pil": "Pillow"}


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
    console.print(Text(f"{entry.family}: {entry.summary}"))
    console.line()
    facts = new_grid()
    facts.add_column(style="dim", no_wrap=True)
    for label, value in _facts(entry, costs):
        facts.add_row(label, Text(value))
    console.print(facts)
    # A URL or a path is never broken into lines, so that it can be copied.
    for kind, path in paths.items():
        console.line()
        for line in _whereabouts(entry, kind, path):
            console.print(line, soft_wrap=True)


def _facts(entry: ModelEntry, costs: Costs | None) -> Iterable[tuple[str, str]]:
    yield "Top-1", "not published" if entry.top1 is None else f"{entry.top1:.2f} %"
    yield "CPU latency", _latency(entry.cpu_ms)
    yield "GPU latency", _latency(entry.gpu_ms)
    yield "Size", "not published" if entry.size_mb is None else f"{entry.size_mb:.1f} MiB"
    yield "Parameters", _parameters(costs)
    yield "MACs", _macs(costs, entry.preprocessing.input_size)
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


def _macs(costs: Costs | None, size: tuple[int, int]) -> str:
    if costs is None:
        return "unknown"
    return f"{costs.macs / 1e9:.2f} G counted, for an image of {size[0]} x {size[1]} pixels"


def _in_words(steps: Preprocessing) -> str:
    how = f"({steps.interpolation}, {LIBRARIES.get(steps.backend, steps.backend)})"
    side = "{} x {} pixels".format(*steps.input_size)
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
    yield Text(f"{LABELS[kind]}", style="bold")
    if artifact is None:
        yield Text("not published")
    else:
        yield Text(artifact.url)
    if artifact and artifact.sha256:
        yield Text(f"SHA256 {artifact.sha256}")
    if path is not None:
        yield Text.assemble("on this machine: ", (str(path), "green"))
    elif artifact is not None:
        option = "" if kind == "inference" else f" --kind {kind}"
        yield Text(f"not on this machine: `clsctl models pull {entry.name}{option}`")
