"""Convert a model for a backend, and compare its scores with the model's own.

paddle2onnx has known faults (padding values, clipped activations; see docs/explanation), and what
libraries fold and fuse may have others, so a compiled model has to give the reference's scores on
several inputs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from clsctl.errors import ClsctlError, ModelError
from clsctl.inference.compiled import refusal
from clsctl.inference.devices import resolve_device
from clsctl.inference.int8_cache import int8_path, is_in_integers
from clsctl.inference.onnx_session import open_file
from clsctl.inference.paddle2onnx import CONVERTER, onnx_bytes
from clsctl.inference.paddle_session import PaddleSession
from clsctl.inference.parity import compare_scores
from clsctl.models.directory import read_model_dir
from clsctl.plugin.descriptors import CompiledModel
from clsctl.plugin.registry import default_registry
from clsctl.values import HOST, ModelSpec, Placement, ScoreFunction


class Reference(NamedTuple):
    """What a compiled model has to agree with.

    Attributes:
        name: What messages call it.
        one_by_one: Whether it may take no more than one image at a time.
    """

    name: str
    run: ScoreFunction
    one_by_one: bool = False


def convert(compiled: CompiledModel, spec: ModelSpec, placement: Placement, target: Path) -> float:
    """Compile a model in this process; returns the largest difference of any log-probability.

    A graph in integers differs on purpose, within the limits of `clsctl quantize`, and an OpenVINO
    IR has no other reference than the library itself. For both this is 0.

    Raises:
        ModelError: It cannot be compiled, or gives other scores then (`E_CONVERSION`); what lies
            at `target` must not be used.
    """
    source = _source(compiled, spec, placement)
    try:
        compiled.write(source, target, placement)
    except Exception as error:  # noqa: BLE001 - every library has exceptions of its own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise refusal(compiled, spec, reason) from None
    reference = None if placement.precision == "int8" else _reference(spec)
    if reference is None:
        return 0.0
    runs = reference.run, compiled.load(target, placement).run
    first, second = map(_one_by_one, runs) if reference.one_by_one else runs
    parity = compare_scores(first, second, spec.transforms)
    if not parity.holds:
        reason = f"compiled, it differs from {reference.name} by {parity.difference:.2g}"
        raise refusal(compiled, spec, reason)
    return parity.difference


def _source(compiled: CompiledModel, spec: ModelSpec, placement: Placement) -> str | bytes:
    """What the library compiles: the model as ONNX, unless it reads the model's own format."""
    if placement.precision == "int8":
        return str(int8_path(spec))
    if spec.format != "paddle":
        return str(spec.graph)
    try:
        return onnx_bytes(spec)
    except ModelError:
        raise refusal(compiled, spec, f"{CONVERTER} cannot convert it") from None


def _reference(spec: ModelSpec) -> Reference | None:
    find = _REFERENCES.get(spec.format)
    return find(spec) if find else None


def _paddle_reference(spec: ModelSpec) -> Reference:
    return Reference("Paddle's result", PaddleSession(spec, Placement(HOST, 1)).run)


def _onnx_reference(spec: ModelSpec) -> Reference | None:
    """Many ONNX files take no more than one image at a time."""
    import onnx

    if is_in_integers(onnx.load(spec.graph, load_external_data=False).graph):
        return None
    session = open_file(spec.graph, 1)
    return Reference("the graph as it is written", session.run, one_by_one=True)


_REFERENCES: Mapping[str, Callable[[ModelSpec], Reference | None]] = {
    "paddle": _paddle_reference,
    "onnx": _onnx_reference,
}
"""By the model's format; OpenVINO's own has none."""


def _one_by_one(run: ScoreFunction) -> ScoreFunction:
    import numpy as np

    return lambda images: np.concatenate([run(image[None]) for image in images])


def _main(backend: str, device: str, precision: str, graph: str, target: str, verdict: str) -> str:
    """Only what was found out about the model becomes a verdict, not a full disk."""
    registry = default_registry()
    compiled: CompiledModel = registry.get("backends", backend).compiled
    placement = Placement(resolve_device(device, registry), 1, precision=precision)
    try:
        convert(compiled, read_model_dir(Path(graph)), placement, Path(target))
    except ClsctlError as error:
        if error.code == "E_CONVERSION":
            Path(verdict).write_text(error.message, encoding="utf-8")
        return error.message
    return ""


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]) or 0)
