"""Convert a model for a backend, and compare its scores with the model's own.

paddle2onnx has known faults (padding values, clipped activations; see docs/explanation), and what
libraries fold and fuse may have others, so a compiled model has to give the reference's scores on
several inputs.
"""

from __future__ import annotations

import json
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
from clsctl.inference.parity import compare_scores, sample_inputs
from clsctl.inference.trial import limit_process
from clsctl.models.directory import read_model_dir
from clsctl.plugin.descriptors import CompiledModel
from clsctl.plugin.registry import default_registry
from clsctl.system.files import require_writable
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
        OSError: The system refused something, for instance because the disk is full.
    """
    try:
        compiled.write(_source(compiled, spec, placement), target, placement)
        return _difference(compiled, spec, placement, target)
    except (OSError, MemoryError):
        raise
    except Exception as error:
        require_writable(target)
        if isinstance(error, ClsctlError):
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise refusal(compiled, spec, reason) from None


def _difference(
    compiled: CompiledModel, spec: ModelSpec, placement: Placement, target: Path
) -> float:
    """Compare what lies at `target` with the reference, where there is one; see `convert`."""
    reference = None if placement.precision == "int8" else _reference(spec)
    run = compiled.load(target, placement).run
    if reference is None:
        run(sample_inputs(spec.transforms)[0])  # here, where memory and time have bounds
        return 0.0
    runs = reference.run, run
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


def _main(backend: str, device: str, precision: str, graph: str, target: str) -> None:
    """Convert, and print the outcome as JSON for `clsctl.inference.compiled`."""
    registry = default_registry()
    compiled: CompiledModel = registry.get("backends", backend).compiled
    placement = Placement(resolve_device(device, registry), 1, precision=precision)
    outcome: dict[str, object]
    try:
        spec = read_model_dir(Path(graph))
        if placement.device == HOST:
            limit_process(spec)
        outcome = {"difference": convert(compiled, spec, placement, Path(target))}
    except ClsctlError as error:
        refused = error.code == "E_CONVERSION"
        outcome = {"refused": error.message} if refused else {"error": error.as_dict()}
    except OSError as error:
        outcome = {"os_error": [error.errno, error.strerror or str(error), error.filename]}
    print(f"\n{json.dumps(outcome, default=str)}", flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
