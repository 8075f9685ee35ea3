"""Compile a model to what a backend loads: once, cached by the weights' SHA256.

The conversion runs in a process of its own, `python -m clsctl.inference.convert`: it needs Paddle,
which the process that predicts shall not carry, and a crash in native code must not end that one.
What gives other scores than the model itself is not kept; that verdict is, so that `auto` does not
try again.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from clsctl.console.messages import note
from clsctl.errors import ModelError, require_library
from clsctl.inference.int8_cache import int8_path
from clsctl.inference.paddle2onnx import CONVERTER
from clsctl.models.directory import weights_sha256
from clsctl.plugin.descriptors import CompiledModel
from clsctl.settings import folders
from clsctl.system.cpu import require_int8
from clsctl.system.files import atomic_replace
from clsctl.system.locks import locked
from clsctl.system.processes import failure_of, run_module
from clsctl.values import ModelSpec, Placement


def ensure_compiled(compiled: CompiledModel, spec: ModelSpec, placement: Placement) -> Path:
    """Return the compiled model's file, made now if that was not done before.

    It is compiled, and compared with the reference, in float32 unless int8 is asked for: all other
    precisions are only ways to run it.

    Raises:
        ModelError: The model cannot be compiled, or gives other scores then (`E_CONVERSION`); it
            was not quantised (`E_PRECISION_MISSING`); or the cache cannot be written (see
            `clsctl.system.os_errors`).
        DeviceError: The converter is not installed (`E_BACKEND_MISSING`), or the processor would
            compute int8 wrongly (`E_PRECISION_PROCESSOR`).
    """
    quantised = None
    if placement.precision == "int8":
        require_int8()
        quantised = int8_path(spec)
    else:
        placement = replace(placement, precision="fp32")
    target = _target(compiled, spec, placement)
    if _is_current(target, quantised):
        return target
    if quantised is None:
        _require_converter(compiled, spec)
    with locked(folders().cache, f"{compiled.name}-{target.stem}"):
        if not _is_current(target, quantised):
            _raise_verdict(target)
            note(f"preparing {spec.name} for {compiled.library}, once")
            _compile_in_child(compiled, spec, placement, target)
    return target


def refusal(compiled: CompiledModel, spec: ModelSpec, reason: str) -> ModelError:
    """Return the error that says why a model cannot be compiled (`E_CONVERSION`)."""
    return _refused(f"{spec.name} cannot run in {compiled.library}: {reason}")


def _target(compiled: CompiledModel, spec: ModelSpec, placement: Placement) -> Path:
    """Where it is kept; float32 serves bf16 and fp16 too, which are ways to run it."""
    quantised = "-int8" if placement.precision == "int8" else ""
    key = f"{weights_sha256(spec)}{quantised}-{compiled.cache_key(placement)}"
    return folders().cache / compiled.name / f"{key}{compiled.suffix}"


def _is_current(target: Path, source: Path | None) -> bool:
    """Whether it is there, and no older than what it was made from."""
    if not target.exists():
        return False
    return source is None or target.stat().st_mtime >= source.stat().st_mtime


def _require_converter(compiled: CompiledModel, spec: ModelSpec) -> None:
    if spec.format == "paddle":
        hint = f"pip install {CONVERTER}, for which there is no build for Python 3.13 yet"
        require_library(compiled.name, CONVERTER, f"{CONVERTER} to convert models", hint)


def _compile_in_child(
    compiled: CompiledModel, spec: ModelSpec, placement: Placement, target: Path
) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    where = str(placement.device), placement.precision
    with atomic_replace(target) as part:
        task = compiled.name, *where, spec.graph.absolute(), part, _verdict(target)
        child = run_module("clsctl.inference.convert", *task, folder=target.parent)
        if child.returncode != 0:
            _raise_verdict(target)
            raise refusal(compiled, spec, failure_of(child))


def _raise_verdict(target: Path) -> None:
    """Do not try again what cannot work."""
    verdict = _verdict(target)
    if verdict.exists():
        raise _refused(verdict.read_text(encoding="utf-8", errors="replace"))


def _verdict(target: Path) -> Path:
    """The file that says why this model cannot be compiled; another converter may do better."""
    version = metadata.version(CONVERTER) if find_spec(CONVERTER) else ""
    return target.with_suffix(f".p2o{version}.txt")


def _refused(message: str) -> ModelError:
    return ModelError(message, code="E_CONVERSION", hint="use another backend, or --backend auto")
