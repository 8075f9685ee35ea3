"""Paddle's format before version 3, for programs that do not read PIR."""

from __future__ import annotations

from pathlib import Path

from clsctl.builtin.exporters import paddle as current
from clsctl.plugin import Exporter, ExportRequest, hookimpl

GRAPH = "inference.pdmodel"


@hookimpl
def clsctl_exporters() -> list[Exporter]:
    help_text = "Paddle's format before version 3."
    return [Exporter("paddle-legacy", help_text, GRAPH, write, current.open_graph, beside="")]


def write(request: ExportRequest, folder: Path) -> None:
    """Write inference.pdmodel, inference.pdiparams and inference.yml."""
    import paddle

    with paddle.pir_utils.DygraphOldIrGuard():
        current.write(request, folder)
    _forget_sources(folder / GRAPH)


def _forget_sources(graph: Path) -> None:
    """Remove what each operation tells of the source files, by their paths on this machine."""
    from paddle.base.proto import framework_pb2

    program = framework_pb2.ProgramDesc()  # type: ignore[attr-defined]
    program.ParseFromString(graph.read_bytes())
    for block in program.blocks:
        for operation in block.ops:
            kept = [each for each in operation.attrs if each.name != "op_callstack"]
            del operation.attrs[:]
            operation.attrs.extend(kept)
    graph.write_bytes(program.SerializeToString())
