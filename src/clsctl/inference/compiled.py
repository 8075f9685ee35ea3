"""Compile a model to what a backend loads: once, cached by the weights' SHA256.

The conversion runs in a process of its own, `python -m clsctl.inference.convert`: it needs Paddle,
which the process that predicts shall not carry, and a crash in native code must not end that one.
What gives other scores than the model itself is not kept; that verdict is, so that `auto` does not
try again. What the system refuses, such as room on a disk, says nothing of the model.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from clsctl.console.messages import note
from clsctl.errors import ModelError
from clsctl.inference.int8_cache import int8_path
from clsctl.inference.paddle2onnx import CONVERTER
from clsctl.inference.verdicts import read_verdict, versions_of, write_verdict
from clsctl.installation import require_library
from clsctl.models.integrity import fresh_weights_sha256, weights_sha256
from clsctl.plugin.descriptors import Backend, CompiledModel
from clsctl.plugin.registry import default_registry
from clsctl.settings import folders
from clsctl.system.cpu import require_int8
from clsctl.system.files import atomic_replace
from clsctl.system.limits import TIME_USED_UP
from clsctl.system.locks import locked
from clsctl.system.processes import failure_of, run_module
from clsctl.system.temporary import sweep
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
    sweep(target.parent)
    if _is_current(target, quantised):
        return target
    if quantised is None:
        _require_converter(compiled, spec)
    with locked(folders().cache, f"{compiled.name}-{target.stem}"):
        if not _is_current(target, quantised):
            if reason := read_verdict(target, _versions(compiled)):
                raise _refused(reason)
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
    try:
        made = target.stat().st_mtime
        return source is None or made >= source.stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):  # perhaps removed at this moment
        return False


def _require_converter(compiled: CompiledModel, spec: ModelSpec) -> None:
    if spec.format == "paddle":
        more = "; there is no build for Python 3.13 yet"
        name = f"{CONVERTER} to convert models"
        require_library(compiled.name, CONVERTER, name, CONVERTER, more)


def _compile_in_child(
    compiled: CompiledModel, spec: ModelSpec, placement: Placement, target: Path
) -> None:
    """Let a process compile the model; what it finds out about the model is remembered."""
    target.parent.mkdir(parents=True, exist_ok=True)
    where = str(placement.device), placement.precision
    with atomic_replace(target) as part:
        task = compiled.name, *where, spec.graph.absolute(), part.absolute()
        child = run_module("clsctl.inference.convert", *task, folder=target.parent)
        outcome = _outcome(child.stdout)
        if "os_error" in outcome:
            raise OSError(*outcome["os_error"])
        if "refused" in outcome:
            write_verdict(target, outcome["refused"], _versions(compiled))
            raise _refused(outcome["refused"])
        if "error" in outcome:
            raise ModelError(**outcome["error"])
        if child.returncode == TIME_USED_UP:
            reason = refusal(compiled, spec, "it computes without end").message
            write_verdict(target, reason, _versions(compiled))
            raise _refused(reason)
        if child.returncode or "difference" not in outcome:
            raise refusal(compiled, spec, failure_of(child))
        if not target.name.startswith(fresh_weights_sha256(spec)):
            raise refusal(compiled, spec, "its files changed while it was being prepared")


def _outcome(output: str) -> dict[str, Any]:
    """The last line of what the process printed; libraries print what they like before it."""
    try:
        outcome = json.loads(output.splitlines()[-1])
    except (ValueError, IndexError):
        return {}
    return outcome if isinstance(outcome, dict) else {}


def _versions(compiled: CompiledModel) -> dict[str, str]:
    """What takes part in compiling: another version of any of it may do better."""
    backend: Backend = default_registry().get("backends", compiled.name)
    return versions_of((CONVERTER, "paddlepaddle", "onnx", *backend.packages))


def _refused(message: str) -> ModelError:
    return ModelError(message, code="E_CONVERSION", hint="use another backend, or --backend auto")
