"""A model -> the form that a backend loads, once, cached by the weights' SHA256, behind a gate.

The conversion runs in a process of its own (`python -m clsctl.inference.convert`): it
needs Paddle, which the process that predicts shall not carry, and a crash in native code must not
take that one down.

paddle2onnx has known faults (padding values, clipped activations; see docs/explanation), and what
libraries fold and fuse may have others, so the form has to give the reference's scores on several
inputs or it is not kept. A model that failed is remembered and left to Paddle.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.console.messages import note
from clsctl.errors import ClsctlError, ModelError, require_library
from clsctl.inference.devices import resolve_device
from clsctl.inference.paddle2onnx import CONVERTER, onnx_bytes
from clsctl.inference.parity import compare_forms
from clsctl.models.directory import read_model_dir, weights_sha256
from clsctl.plugin.descriptors import Form
from clsctl.plugin.registry import default_registry
from clsctl.settings import folders
from clsctl.system.cpu import require_int8
from clsctl.system.files import atomic_replace
from clsctl.system.locks import locked
from clsctl.system.processes import last_words, run_module
from clsctl.values import HOST, ModelSpec, Placement

if TYPE_CHECKING:
    from clsctl.inference.parity import Run


def form_path(form: Form, spec: ModelSpec, placement: Placement) -> Path:
    """A model's form, made now if that was not done before.

    It is made, and held against the reference's results, in float32; a lower precision but int8 is
    only a way to run it.

    Raises:
        ModelError: There is no such form, or it gives other scores (`E_CONVERSION`); the model was
            not quantised (`E_PRECISION_MISSING`); or the cache cannot be written (see
            `clsctl.system.os_errors`).
        DeviceError: The converter is not installed (`E_BACKEND_MISSING`), or the processor would
            compute int8 wrongly (`E_PRECISION_PROCESSOR`).
    """
    quantised = _quantised(spec) if placement.precision == "int8" else None
    if quantised is None:
        placement = replace(placement, precision="fp32")
    target = _target(form, spec, placement)
    if _is_current(target, quantised):
        return target
    if quantised is None:
        _require_converter(form, spec)
    with locked(folders().cache, f"{form.name}-{target.stem}"):
        if not _is_current(target, quantised):
            _raise_verdict(target)
            note(f"preparing {spec.name} for {form.library}, once")
            _convert_in_child(form, spec, placement, target)
    return target


def convert(form: Form, spec: ModelSpec, placement: Placement, target: Path) -> float:
    """Convert in this process; returns the largest difference of any log-probability.

    A graph in integers differs on purpose, within the limits of `clsctl quantize`, and an OpenVINO
    IR has no other reference than the library itself. For both this is 0.

    Raises:
        ModelError: There is no such form, or it gives other scores (`E_CONVERSION`); what then
            lies at `target` must not be used.
    """
    source = _source(form, spec, placement)
    try:
        form.write(source, target, placement)
    except Exception as error:  # noqa: BLE001 - every library has exceptions of its own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise _error(form, spec, reason) from None
    if placement.precision == "int8" or spec.format == "openvino" or _is_in_integers(spec):
        return 0.0
    name, reference = _reference(spec)
    made: Run = form.load(target, placement).run
    if spec.format == "onnx":
        reference, made = _one_by_one(reference), _one_by_one(made)
    parity = compare_forms(reference, made, spec.transforms)
    if not parity.holds:
        raise _error(form, spec, f"its form differs from {name} by {parity.difference:.2g}")
    return parity.difference


def _quantised(spec: ModelSpec) -> Path:
    from clsctl.inference.int8_cache import int8_path

    require_int8()
    return int8_path(spec)


def _source(form: Form, spec: ModelSpec, placement: Placement) -> str | bytes:
    if placement.precision == "int8":
        return str(_quantised(spec))
    if spec.format != "paddle":
        return str(spec.graph)
    try:
        return onnx_bytes(spec)
    except ModelError:
        raise _error(form, spec, f"{CONVERTER} cannot convert it") from None


def _is_in_integers(spec: ModelSpec) -> bool:
    if spec.format != "onnx":
        return False
    import onnx

    from clsctl.inference.int8_cache import is_in_integers

    return is_in_integers(onnx.load(spec.graph, load_external_data=False).graph)


def _one_by_one(run: Run) -> Run:
    """Many ONNX files take no more than one image at a time."""
    import numpy as np

    return lambda images: np.concatenate([run(image[None]) for image in images])


def _reference(spec: ModelSpec) -> tuple[str, Run]:
    """What a form has to agree with, and what to call it."""
    if spec.format == "onnx":
        from clsctl.inference.onnx_session import open_file

        return "the graph as it is written", open_file(spec.graph, 1).run
    from clsctl.inference.paddle_session import PaddleSession

    return "Paddle's result", PaddleSession(spec, Placement(HOST, 1)).run


def _target(form: Form, spec: ModelSpec, placement: Placement) -> Path:
    """An exact form serves bf16 too, which is the way it is run."""
    quantised = "-int8" if placement.precision == "int8" else ""
    name = f"{weights_sha256(spec)}{quantised}-{form.belongs_to(placement)}{form.suffix}"
    return folders().cache / form.name / name


def _is_current(target: Path, source: Path | None) -> bool:
    """Whether it is there, and no older than what it was made from."""
    if not target.exists():
        return False
    return source is None or target.stat().st_mtime >= source.stat().st_mtime


def _require_converter(form: Form, spec: ModelSpec) -> None:
    if spec.format == "paddle":
        hint = f"pip install {CONVERTER}, for which there is no build for Python 3.13 yet"
        require_library(form.name, CONVERTER, f"{CONVERTER} to convert models", hint)


def _convert_in_child(form: Form, spec: ModelSpec, placement: Placement, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    where = str(placement.device), placement.precision
    with atomic_replace(target) as part:
        files = spec.graph.absolute(), part, _verdict(target)
        child = run_module(__name__, form.name, *where, *files, folder=target.parent)
        if child.returncode != 0:
            _raise_verdict(target)
            raise _error(form, spec, last_words(child))


def _raise_verdict(target: Path) -> None:
    """Do not try again what cannot work."""
    verdict = _verdict(target)
    if verdict.exists():
        raise _refusal(verdict.read_text(encoding="utf-8", errors="replace"))


def _verdict(target: Path) -> Path:
    """Says why this model has no such form; another converter may find otherwise."""
    version = metadata.version(CONVERTER) if find_spec(CONVERTER) else ""
    return target.with_suffix(f".p2o{version}.txt")


def _error(form: Form, spec: ModelSpec, reason: str) -> ModelError:
    return _refusal(f"{spec.name} cannot run in {form.library}: {reason}")


def _refusal(message: str) -> ModelError:
    return ModelError(message, code="E_CONVERSION", hint="use another backend, or --backend auto")


def _main(backend: str, device: str, precision: str, graph: str, target: str, verdict: str) -> str:
    """Only what was found out about the model becomes a verdict, not a full disk."""
    registry = default_registry()
    form: Form = registry.get("backends", backend).form
    placement = Placement(resolve_device(device, registry), 1, precision=precision)
    try:
        convert(form, read_model_dir(Path(graph)), placement, Path(target))
    except ClsctlError as error:
        if error.code == "E_CONVERSION":
            Path(verdict).write_text(error.message, encoding="utf-8")
        return error.message
    return ""


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]) or 0)
