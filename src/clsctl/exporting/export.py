"""Export trained weights to a model directory, behind a parity gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.errors import ClsctlError, DataError
from clsctl.exporting.parity_check import check_parity, differs
from clsctl.images.preprocess import image_settings
from clsctl.plugin.descriptors import Exporter, ExportRequest
from clsctl.plugin.registry import Registry, default_registry
from clsctl.settings import Settings
from clsctl.values import HOST

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.datasets.samples import Layout
    from clsctl.inference.parity import Parity
    from clsctl.networks.trained_weights import TrainedModel

PHOTOS = 16
"""Images of the dataset that the gate looks at."""


@dataclass(frozen=True, slots=True)
class Export:
    """A model directory that was written.

    Attributes:
        format: An exporter's name, such as `onnx`.
        labels: Class names by id.
        parity: How alike the network and each exported file are, by file name; empty where that
            was not checked.
        top1: On the dataset's validation images, of the network and of the exported model; None
            where no dataset was given.
    """

    directory: Path
    model: str
    format: str
    labels: tuple[str, ...]
    parity: Mapping[str, Parity] = field(default_factory=dict)
    top1: tuple[float, float] | None = None


def export(
    weights: str | Path,
    output: str | Path,
    model_name: str | None = None,
    *,
    to: str = "paddle",
    check: bool = True,
    dataset: str | Path | None = None,
    layout: Layout | None = None,
) -> Export:
    """Turn training weights into a model directory, with its preprocessing and class names.

    Nothing is left at `output` unless everything, the check too, went well.

    Args:
        weights: A .pdparams file, or a run's folder with its best weights.
        output: The folder to make.
        model_name: The architecture, where nothing beside the weights names it.
        to: An exporter's name: `paddle` (PIR), `paddle-legacy` (.pdmodel), or one that writes
            other files beside those of `paddle`, such as `onnx` (inference.onnx) or `openvino`
            (inference.xml and inference.bin).
        check: Compare the scores of what was written with the network's.
        dataset: Gives the check real images; the accuracy on its validation images is compared
            too. Without it the check takes images of the dataset that the run was trained on,
            where that is still there. It also names the classes, where the run does not.
        layout: Read this layout of the dataset alone.

    Raises:
        UsageError: The format or the architecture is not known, or nothing names the classes.
        DataError: There is something at `output`, or the class names do not fit.
        ModelError: The weights cannot be used, or what was written differs (`E_PARITY`).
    """
    from clsctl.evaluation.class_names import class_names
    from clsctl.evaluation.scoring import input_size
    from clsctl.models.directory import read_model_dir
    from clsctl.models.integrity import require_written
    from clsctl.models.provenance import origin, record
    from clsctl.networks import trained_weights
    from clsctl.system.files import new_folder

    exporters = _with_base(to, default_registry())
    model = trained_weights.load(Path(weights), model_name)
    network = model.build_network()
    names = class_names(model, network, dataset, layout)
    size = input_size(model.transforms)
    request = ExportRequest(network, model.name, model.transforms, names, size)
    with new_folder(Path(output)) as folder:
        for exporter in exporters:
            exporter.write(request, folder)
            require_written(read_model_dir(folder / exporter.file))
        parity, top1 = {}, None
        if check:
            settings = image_settings(model.transforms, Settings())
            photos = _photos(dataset or model.dataset, settings, layout if dataset else None)
            parity = _check_scores(request, exporters, folder, photos)
            top1 = _check_accuracy(model, folder, dataset, layout) if dataset else None
        facts = {"format": to, "parity": {name: found._asdict() for name, found in parity.items()}}
        record(folder, origin(str(model.weights), model.weights), export=facts)
    return Export(Path(output), model.name, to, names, parity, top1)


def _with_base(name: str, registry: Registry) -> list[Exporter]:
    """Find the exporter of that name, after those whose files it stands beside.

    Raises:
        UsageError: There is no such exporter (`E_EXPORTER_UNKNOWN`).
    """
    exporter: Exporter = registry.get("exporters", name)
    return [*(_with_base(exporter.beside, registry) if exporter.beside else ()), exporter]


# ---- checks ------------------------------------------------------------------------------------


def _check_scores(
    request: ExportRequest,
    exporters: Sequence[Exporter],
    folder: Path,
    photos: Sequence[NDArray[np.uint8]],
) -> dict[str, Parity]:
    written = ((each.file, each.open(folder / each.file).run) for each in exporters)
    return check_parity(request.network, written, request.transforms, photos)


def _photos(
    dataset: str | Path | None, settings: Settings, layout: Layout | None
) -> list[NDArray[np.uint8]]:
    """Read some images of a dataset, spread evenly over its largest held-out split.

    They only sharpen the check, which has synthetic ones too: what cannot be read is a note.
    """
    from clsctl.console.messages import note
    from clsctl.datasets.layouts.detect import read_dataset
    from clsctl.datasets.printing import print_notes
    from clsctl.images.read import naming, read_pixels

    if dataset is None:
        return []
    photos: list[NDArray[np.uint8]] = []
    errors: list[ClsctlError] = []
    try:
        found = read_dataset(Path(dataset), layout)
        print_notes(found)
    except DataError as error:
        note(f"the check takes synthetic images alone: {error.message}")
        return []
    samples = next((found.splits[s] for s in ("val", "test", "train") if found.splits.get(s)), ())
    for sample in samples[:: max(1, len(samples) // PHOTOS)][:PHOTOS]:
        try:
            with naming(sample.path):
                photos.append(read_pixels(found.image_path(sample), settings))
        except ClsctlError as error:
            errors.append(error)
    if errors:
        more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        note(f"the check does without an image of {dataset}: {errors[0].message}{more}")
    return photos


def _check_accuracy(
    model: TrainedModel, folder: Path, dataset: str | Path, layout: Layout | None
) -> tuple[float, float]:
    """Compute top-1 of the network and of the exported model, which have to be the same."""
    from clsctl.evaluation.evaluate import evaluate

    before = evaluate(dataset, model.name, weights=model.weights, layout=layout, device=str(HOST))
    after = evaluate(dataset, model_dir=folder, layout=layout, device=str(HOST), backend="paddle")
    if before.top1 != after.top1:
        raise differs(
            f"the exported model's top-1 on {before.root.name} is {after.top1:.4f}, the "
            f"network's {before.top1:.4f}"
        )
    return before.top1, after.top1
