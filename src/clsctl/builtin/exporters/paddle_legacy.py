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
