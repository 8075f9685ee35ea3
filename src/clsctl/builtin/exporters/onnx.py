"""ONNX: one file that holds preprocessing and class names, too."""

from __future__ import annotations

import json
from pathlib import Path

from clsctl.plugin import Exporter, ExportRequest, Session, hookimpl

GRAPH = "inference.onnx"


@hookimpl
def clsctl_exporters() -> list[Exporter]:
    return [Exporter("onnx", "ONNX, beside Paddle's format.", GRAPH, write, open_graph)]


def write(request: ExportRequest, folder: Path) -> None:
    """Write Paddle's graph as ONNX; preprocessing and class names go into its metadata."""
    import onnx

    from clsctl.exporting.conversion import write_plain_onnx

    target = folder / GRAPH
    write_plain_onnx(folder, target)
    graph = onnx.load(target)
    facts = {
        "labels": list(request.labels),
        "transform_ops": [dict(step) for step in request.transforms],
    }
    onnx.helper.set_model_props(graph, {key: json.dumps(facts[key]) for key in facts})
    onnx.save(graph, str(target))


def open_graph(graph: Path) -> Session:
    """Load an ONNX file as it is written, on the processor."""
    from clsctl.inference.onnx_session import open_file

    return open_file(graph, 1)
