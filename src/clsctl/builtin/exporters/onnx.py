"""ONNX: one file that holds preprocessing and class names, too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.images.transform_arguments import NormalizeImage
from clsctl.plugin import Exporter, ExportRequest, Session, hookimpl
from clsctl.schema.read import read

if TYPE_CHECKING:
    import onnx

GRAPH = "inference.onnx"
INPUT, OUTPUT, BATCH = "image", "probabilities", "batch"


@hookimpl
def clsctl_exporters() -> list[Exporter]:
    return [Exporter("onnx", "ONNX, beside Paddle's format.", GRAPH, write, open_graph)]


def write(request: ExportRequest, folder: Path) -> None:
    """Write Paddle's graph as ONNX; preprocessing and class names go into its metadata."""
    import onnx

    from clsctl.exporting.conversion import write_plain_onnx

    target = folder / GRAPH
    write_plain_onnx(folder, target)
    model = onnx.load(target)
    _name_ends(model)
    onnx.helper.set_model_props(model, metadata(request))
    onnx.checker.check_model(model)
    onnx.save(model, str(target))


def open_graph(graph: Path) -> Session:
    """Load an ONNX file as it is written, on the processor."""
    from clsctl.inference.onnx_session import open_file

    return open_file(graph, 1)


def metadata(request: ExportRequest) -> dict[str, str]:
    """Say how the model is used: for clsctl, and under the names that other tools read.

    Ultralytics reads `names`, `task`, `imgsz`, `stride` and `batch`, as Python writes them; `mean`,
    `std`, `input_size` and `interpolation` are timm's names, and hold for pixels in 0 to 1.
    """
    ours = {
        "model_name": request.name,
        "labels": json.dumps(list(request.labels)),
        "transform_ops": json.dumps([dict(step) for step in request.transforms]),
    }
    steps = {name: step[name] or {} for step in request.transforms for name in step}
    normalize = read(NormalizeImage, steps["NormalizeImage"])
    return ours | {
        "task": "classify",
        "names": str(dict(enumerate(request.labels))),
        "imgsz": str(list(request.input_size)),
        "stride": "1",
        "batch": "1",
        "input_size": str((3, *request.input_size)),
        "interpolation": _interpolation(steps.get("ResizeImage", {})),
        "mean": str(normalize.mean),
        "std": str(normalize.std),
    }


def _interpolation(resize: Mapping[str, Any]) -> str:
    return str(resize.get("interpolation") or "bilinear").lower()


def _name_ends(model: onnx.ModelProto) -> None:
    """Call input and output what they are, and let the batch have any size."""
    graph = model.graph
    for end, name in ((graph.input[0], INPUT), (graph.output[0], OUTPUT)):
        _rename(graph, end.name, name)
        end.name = name
        end.type.tensor_type.shape.dim[0].dim_param = BATCH


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]
