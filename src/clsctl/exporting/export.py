"""A network -> a model directory that clsctl and PaddleX load, behind a parity gate."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from clsctl.errors import ModelError, UsageError, unknown_name
from clsctl.inference.paddle2onnx import CONVERTER, write_onnx
from clsctl.inference.parity import Parity, compare_forms
from clsctl.models.directory import read_model_dir, write_settings
from clsctl.values import HOST, Placement

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from paddle import nn

    from clsctl.evaluation.trained_weights import TrainedModel
    from clsctl.inference.parity import Run

FORMATS = ("paddle", "paddle-legacy", "onnx", "openvino")
ONNX, OPENVINO = "inference.onnx", "inference.xml"
PHOTOS = 16
"""Images of the dataset that the gate looks at."""


@dataclass(frozen=True, slots=True)
class Export:
    """A model directory that was written.

    Attributes:
        format: One of `FORMATS`.
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
) -> Export:
    """Turn training weights into a model directory, with its preprocessing and class names.

    Nothing is left at `output` unless everything, the check too, went well.

    Args:
        weights: A .pdparams file, or a run's folder with its best weights.
        output: The folder to make.
        model_name: The architecture, where nothing beside the weights names it.
        to: `paddle` (PIR), `paddle-legacy` (.pdmodel), or `paddle` with another form beside it:
            `onnx` (inference.onnx) or `openvino` (inference.xml and inference.bin).
        check: Compare the scores of what was written with the network's.
        dataset: Gives the check real images; the accuracy on its validation images is compared
            too. Without it the check takes images of the dataset that the run was trained on,
            where that is still there. It also names the classes, where the run does not.

    Raises:
        UsageError: The format or the architecture is not known, or nothing names the classes.
        DataError: There is something at `output`, or the class names do not fit.
        ModelError: The weights cannot be used, or what was written differs (`E_PARITY`).
    """
    from clsctl.evaluation.trained_weights import class_names, find_trained
    from clsctl.models.provenance import origin, record
    from clsctl.system.files import new_folder

    if to not in FORMATS:
        raise UsageError(unknown_name("format", to, FORMATS), code="E_FORMAT_UNKNOWN")
    model = find_trained(Path(weights), model_name)
    network = model.load()
    names = class_names(model, network, dataset)
    with new_folder(Path(output)) as folder:
        write_model(network, folder, model, names, to)
        photos = _photos(dataset or model.dataset) if check else []
        parity = check_model(network, folder, model.transforms, photos) if check else {}
        top1 = _check_accuracy(model, folder, dataset) if check and dataset else None
        facts = {"format": to, "parity": {name: found._asdict() for name, found in parity.items()}}
        record(folder, origin(str(model.weights), model.weights), export=facts)
    return Export(Path(output), model.name, to, names, parity, top1)


def write_model(
    network: nn.Layer, folder: Path, model: TrainedModel, labels: Sequence[str], to: str
) -> None:
    """Write the files of a format into an existing folder, unchecked."""
    from clsctl.evaluation.trained_weights import input_side

    with _old_format() if to == "paddle-legacy" else nullcontext():
        side = input_side(model.transforms)
        export_network(network, folder, model.name, model.transforms, labels, side)
    if to == "onnx":
        _write_onnx(folder, labels, model.transforms)
    if to == "openvino":
        _write_openvino(folder)


def check_model(
    network: nn.Layer,
    folder: Path,
    transforms: Sequence[Mapping[str, Any]],
    photos: Sequence[NDArray[np.uint8]] = (),
) -> dict[str, Parity]:
    """Compare what was exported with the network, by file; see `clsctl.inference.parity`.

    Raises:
        ModelError: A file gives other scores (`E_PARITY`).
    """
    return _check_forms(network, _exported_forms(folder), transforms, photos)


def check_graph(network: nn.Layer, folder: Path, transforms: Sequence[Mapping[str, Any]]) -> None:
    """The same while training, where a predictor would change Paddle's threads for good.

    Raises:
        ModelError: The graph gives other scores (`E_PARITY`).
    """
    import paddle

    graph = paddle.jit.load(str(folder / "inference"))

    def run(images: NDArray[np.float32]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = graph(paddle.to_tensor(images)).numpy()
        return scores

    _check_forms(network, [("inference.json", run)], transforms)


def _check_forms(
    network: nn.Layer,
    forms: Iterable[tuple[str, Run]],
    transforms: Sequence[Mapping[str, Any]],
    photos: Sequence[NDArray[np.uint8]] = (),
) -> dict[str, Parity]:
    from clsctl.evaluation.scorer import network_run

    reference = network_run(network)
    found = {name: compare_forms(reference, run, transforms, photos) for name, run in forms}
    for name, parity in found.items():
        if not parity.holds:
            raise _differs(
                f"{name} gives other scores than the network: the largest difference of a "
                f"log-probability on {parity.real + parity.synthetic} images is "
                f"{parity.difference:.2g}, the limit {parity.limit:g}"
            )
    return found


def export_network(
    network: nn.Layer,
    directory: Path,
    name: str,
    transforms: Sequence[Mapping[str, Any]],
    labels: Sequence[str],
    input_size: int,
) -> None:
    """Write inference.json, inference.pdiparams and inference.yml.

    The exported graph maps images [N, 3, S, S] to probabilities [N, classes]: softmax is part of
    it, the batch is dynamic. The network itself is left as it was.

    Args:
        directory: An existing folder; files of the same names are overwritten.
        name: `Global.model_name` of inference.yml.
        transforms: Preprocessing, as `PreProcess.transform_ops` of inference.yml.
        labels: Class names by id.
        input_size: S, the side of the network's input in pixels.
    """
    import paddle
    from paddle import nn
    from paddle.static import InputSpec

    network = copy.deepcopy(network)
    if hasattr(network, "reparameterise"):
        network.reparameterise()
    classifier = nn.Sequential(network, nn.Softmax(axis=-1))
    classifier.eval()
    image = InputSpec([None, 3, input_size, input_size], "float32", name="x")
    static = paddle.jit.to_static(classifier, input_spec=[image], full_graph=True)
    paddle.jit.save(static, str(directory / "inference"))
    write_settings(directory, name, transforms, labels)


# ---- formats -----------------------------------------------------------------------------------


@contextmanager
def _old_format() -> Iterator[None]:
    """Paddle writes .pdmodel, its format before version 3, while this lasts."""
    import paddle

    with paddle.pir_utils.DygraphOldIrGuard():
        yield


def _write_onnx(
    folder: Path, labels: Sequence[str], transforms: Sequence[Mapping[str, Any]]
) -> None:
    """The same graph as ONNX; class names and preprocessing are in the file's own metadata."""
    _write_plain_onnx(folder, folder / ONNX)
    import onnx

    graph = onnx.load(folder / ONNX)
    facts = {"labels": list(labels), "transform_ops": [dict(step) for step in transforms]}
    onnx.helper.set_model_props(graph, {key: json.dumps(facts[key]) for key in facts})
    onnx.save(graph, str(folder / ONNX))


def _write_openvino(folder: Path) -> None:
    """The same graph as OpenVINO's intermediate representation, in float32."""
    _require("openvino", "which `pip install openvino` brings")
    from clsctl.inference.openvino_session import import_openvino

    openvino = import_openvino()
    with TemporaryDirectory() as scratch, _converting("OpenVINO cannot take this network"):
        plain = Path(scratch) / ONNX
        _write_plain_onnx(folder, plain)
        graph = openvino.Core().read_model(plain)
        openvino.save_model(graph, folder / OPENVINO, compress_to_fp16=False)


def _write_plain_onnx(folder: Path, target: Path) -> None:
    _require(CONVERTER, "which has no build for Python 3.13")
    write_onnx(read_model_dir(folder), target)


def _require(package: str, whence: str) -> None:
    if find_spec(package) is None:
        raise ModelError(
            f"this format needs {package}, {whence}", code="E_CONVERSION", hint="or use --to paddle"
        )


@contextmanager
def _converting(failure: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise ModelError(
            f"nothing was exported: {failure}: {reason}",
            code="E_CONVERSION",
            hint="use --to onnx or --to paddle",
        ) from None


def _exported_forms(folder: Path) -> Iterator[tuple[str, Run]]:
    from clsctl.inference.onnx_session import open_file
    from clsctl.inference.paddle_session import PaddleSession

    spec = read_model_dir(folder)
    yield spec.graph.name, PaddleSession(spec, Placement(HOST, 1)).run
    if (folder / ONNX).exists():
        yield ONNX, open_file(folder / ONNX, 1).run
    if (folder / OPENVINO).exists():
        yield OPENVINO, _run_openvino(folder / OPENVINO)


def _run_openvino(path: Path) -> Run:
    from clsctl.inference.openvino_session import DEVICE, OpenvinoSession, import_openvino

    openvino = import_openvino()
    with _converting("OpenVINO cannot run this network"):
        # It would take bf16 by itself wherever the processor has it.
        options = {"INFERENCE_PRECISION_HINT": "f32"}
        return OpenvinoSession([openvino.Core().compile_model(path, DEVICE, options)]).run


# ---- the dataset -------------------------------------------------------------------------------


def _photos(dataset: str | Path | None) -> list[NDArray[np.uint8]]:
    """Some images of a dataset, spread evenly over its largest held-out split."""
    from clsctl.datasets.layouts.detect import read_valid_dataset
    from clsctl.images.read import naming, read_pixels

    if dataset is None:
        return []
    found = read_valid_dataset(Path(dataset))
    samples = found.splits.get("val") or found.splits.get("test") or found.splits["train"]
    chosen = samples[:: max(1, len(samples) // PHOTOS)][:PHOTOS]
    photos: list[NDArray[np.uint8]] = []
    for sample in chosen:
        with naming(sample.path):
            photos.append(read_pixels(found.image_path(sample)))
    return photos


def _check_accuracy(model: TrainedModel, folder: Path, dataset: str | Path) -> tuple[float, float]:
    """Top-1 of the network and of the exported model, which have to be the same."""
    from clsctl.evaluation.evaluate import evaluate

    before = evaluate(dataset, model.name, weights=model.weights, device=str(HOST))
    after = evaluate(dataset, model_dir=folder, device=str(HOST), backend="paddle")
    if before.top1 != after.top1:
        raise _differs(
            f"the exported model's top-1 on {before.root.name} is {after.top1:.4f}, the "
            f"network's {before.top1:.4f}"
        )
    return before.top1, after.top1


def _differs(reason: str) -> ModelError:
    return ModelError(
        f"nothing was exported: {reason}",
        code="E_PARITY",
        hint="try another format with --to; --no-check exports it all the same",
    )
