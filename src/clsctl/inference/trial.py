"""Let Paddle run a model once in a process with bounds, before it runs in this one.

A graph can ask for any amount of memory, and for a loop without end. What was compiled for another
backend was run by Paddle within the same bounds already.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from clsctl.errors import ClsctlError, ModelError
from clsctl.inference.paddle_session import PaddleSession
from clsctl.inference.parity import sample_inputs
from clsctl.inference.verdicts import read_verdict, versions_of, write_verdict
from clsctl.models.directory import read_model_dir
from clsctl.models.integrity import model_files, weights_sha256
from clsctl.paths import exists
from clsctl.plugin.registry import default_registry
from clsctl.settings import folders
from clsctl.system.files import atomic_replace
from clsctl.system.limits import TIME_USED_UP, limit_memory, limit_processor_time
from clsctl.system.processes import failure_of, run_module
from clsctl.system.temporary import scratch_folder
from clsctl.values import HOST, ModelSpec, Placement

MEMORY = {"paddle": 640 << 20, "onnx": 512 << 20, "openvino": 512 << 20}
"""Bytes that the libraries and a small model's arithmetic take, by the format of the model."""

MEMORY_PER_CORE, MEMORY_PER_BYTE = 64 << 20, 16
"""What more a thread takes, and what each byte of weights: six were measured with large ones."""

TIME_S, BYTES_PER_S = 300, 1 << 20
"""Seconds of one core, and how many bytes of weights give one more."""

PACKAGES = ("paddlepaddle", "paddlepaddle-gpu")


def limit_process(spec: ModelSpec) -> None:
    """Bound the memory and the time of this process by the size of the model that it prepares."""
    size = sum(path.stat().st_size for path in model_files(spec))
    cores = os.cpu_count() or 1
    limit_memory(MEMORY[spec.format] + MEMORY_PER_CORE * cores + MEMORY_PER_BYTE * size)
    limit_processor_time(TIME_S + size // BYTES_PER_S)


def require_bounded(spec: ModelSpec, placement: Placement) -> None:
    """Try a model that no process has run within bounds so far; for accelerators there are none.

    Raises:
        ModelError: It takes more than it may (`E_MODEL_BOUNDS`), or Paddle cannot load it
            (`E_MODEL_UNREADABLE`).
    """
    key = weights_sha256(spec)
    target, versions = folders().cache / "paddle" / f"{key}.tried", versions_of(PACKAGES)
    if placement.device != HOST or exists(target) or _was_compiled(key):
        return
    if reason := read_verdict(target, versions):
        raise _refused(spec, reason)
    reason = _try(spec)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if reason:
            write_verdict(target, reason, versions)
        else:
            with atomic_replace(target):
                pass
    except OSError:
        pass  # A cache that cannot be written remembers nothing.
    if reason:
        raise _refused(spec, reason)


def _was_compiled(key: str) -> bool:
    backends = default_registry().items("backends").values()
    compiled = [backend.compiled for backend in backends if backend.compiled]
    cache = folders().cache
    return any(any((cache / one.name).glob(f"{key}-*{one.suffix}")) for one in compiled)


def _try(spec: ModelSpec) -> str:
    """Return why the model must not be run; raises what Paddle finds wrong with it."""
    with scratch_folder() as folder:
        child = run_module("clsctl.inference.trial", spec.graph.absolute(), folder=folder)
    if child.returncode == TIME_USED_UP:
        return "it computes without end"
    if child.returncode:
        return failure_of(child)
    outcome = json.loads(child.stdout.splitlines()[-1])
    if "error" in outcome:
        raise ModelError(**outcome["error"])
    return str(outcome["refused"])


def _refused(spec: ModelSpec, reason: str) -> ModelError:
    return ModelError(
        f"{spec.name} cannot run in Paddle: {reason}",
        code="E_MODEL_BOUNDS",
        hint="use a model from a source you trust",
    )


def _main(graph: str) -> None:
    """Run images, and print the outcome as JSON."""
    outcome: dict[str, object] = {"refused": ""}
    try:
        spec = read_model_dir(Path(graph))
        limit_process(spec)
        session = PaddleSession(spec, Placement(HOST, 1))
        for image in sample_inputs(spec.transforms)[:2]:  # some graphs take one at a time only
            session.run(image)
    except ClsctlError as error:
        outcome = {"error": error.as_dict()}
    except (MemoryError, RuntimeError, ValueError, OSError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        outcome = {"refused": f"it fails, or needs more memory than it may: {lines[-1].strip()}"}
    print(f"\n{json.dumps(outcome)}", flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
