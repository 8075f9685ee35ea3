"""Paddle's own format: a PIR graph and its weights, as PaddleX 3 reads them."""

from __future__ import annotations

from pathlib import Path

from clsctl.plugin import Exporter, ExportRequest, Placement, Session, hookimpl
from clsctl.values import HOST

GRAPH = "inference.json"


@hookimpl
def clsctl_exporters() -> list[Exporter]:
    help_text = "Paddle's own format since version 3 (PIR)."
    return [Exporter("paddle", help_text, GRAPH, write, open_graph, beside="")]


def write(request: ExportRequest, folder: Path) -> None:
    """Write inference.json, inference.pdiparams and inference.yml."""
    from clsctl.exporting.network import export_network

    export_network(
        request.network,
        folder,
        request.name,
        request.transforms,
        request.labels,
        request.input_size,
    )


def open_graph(graph: Path) -> Session:
    """Load a graph that Paddle wrote, on the processor."""
    from clsctl.inference.paddle_session import PaddleSession
    from clsctl.models.directory import read_model_dir

    return PaddleSession(read_model_dir(graph), Placement(HOST, 1))
