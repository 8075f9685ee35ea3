"""OpenVINO's intermediate representation (IR), in float32."""

from __future__ import annotations

from pathlib import Path

from clsctl.installation import install_hint
from clsctl.plugin import Exporter, ExportRequest, Session, hookimpl
from clsctl.system.temporary import scratch_folder

GRAPH = "inference.xml"


@hookimpl
def clsctl_exporters() -> list[Exporter]:
    return [Exporter("openvino", "OpenVINO IR, beside Paddle's format.", GRAPH, write, open_graph)]


def write(request: ExportRequest, folder: Path) -> None:
    """Write inference.xml and inference.bin, by way of ONNX."""
    from clsctl.exporting.conversion import require_package, translate_failure, write_plain_onnx
    from clsctl.inference.openvino_session import import_openvino, openvino_core

    require_package("openvino", "which is not installed", install_hint("openvino"))
    openvino = import_openvino()
    with scratch_folder() as scratch, translate_failure("OpenVINO cannot take this network"):
        plain = scratch / "plain.onnx"
        write_plain_onnx(folder, plain)
        graph = openvino_core().read_model(plain)
        openvino.save_model(graph, folder / GRAPH, compress_to_fp16=False)


def open_graph(graph: Path) -> Session:
    """Load an IR on the processor, in float32."""
    from clsctl.exporting.conversion import translate_failure
    from clsctl.inference.openvino_session import open_file

    with translate_failure("OpenVINO cannot run this network"):
        return open_file(graph)
