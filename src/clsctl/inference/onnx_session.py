"""Run models with ONNX Runtime, from graphs that it optimises once for this processor."""

from __future__ import annotations

import os
import threading
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.errors import DeviceError, ModelError
from clsctl.inference.devices import get_device
from clsctl.inference.graphs.hard_swish import in_integers, rewrite_hard_swish
from clsctl.installation import require_library
from clsctl.plugin.descriptors import CompiledModel
from clsctl.system.cpu import instruction_set
from clsctl.values import Placement

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    Provider = tuple[str, Mapping[str, object]]


CPU: Provider = ("CPUExecutionProvider", {})

TELEMETRY = "ORT_DISABLE_TELEMETRY"
_IMPORTING = threading.Lock()

INEXACT = ["WeightBiasQuantization"]
"""Puts convolutions that a quantised graph leaves in floats into integers, by one scale each."""


def import_onnxruntime() -> Any:
    """Import ONNX Runtime without its telemetry.

    At its import that would queue the machine's identity in a folder of its own below the home
    folder, and open sockets to its maker's server. The variable is set for that time only, by one
    thread at a time: another one would take it for what the user has set.
    """
    with _IMPORTING:
        before = os.environ.get(TELEMETRY)
        os.environ[TELEMETRY] = "1"
        try:
            import onnxruntime
        finally:
            if before is None:
                del os.environ[TELEMETRY]
            else:
                os.environ[TELEMETRY] = before
    return onnxruntime


class OnnxSession:
    """An ONNX Runtime session; safe to share between threads."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute scores [N, classes] for a batch [N, 3, H, W]."""
        scores: NDArray[np.float32] = self._session.run(None, {self._input: batch})[0]
        return scores


def open_file(path: Path, threads: int, provider: Provider = CPU, hint: str = "") -> OnnxSession:
    """Load an ONNX file; on a CPU the graph is run as it is, which is slow before `write_compiled`.

    Args:
        threads: CPU threads; 0 means every core.
        provider: What runs it, and its options.
        hint: What to do where it cannot be loaded.

    Raises:
        ModelError: It cannot be loaded (`E_MODEL_UNREADABLE`).
        DeviceError: The provider cannot start (`E_BACKEND_MISSING`).
    """
    onnxruntime = import_onnxruntime()

    options = _options(threads)
    if provider is CPU:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    else:
        _load_cuda_libraries(onnxruntime)
    try:
        session = onnxruntime.InferenceSession(str(path), options, [provider])
    except Exception as error:  # noqa: BLE001 - its exceptions have no class in common
        raise ModelError(
            f"ONNX Runtime cannot load {path}: {error}",
            code="E_MODEL_UNREADABLE",
            hint=hint,
        ) from None
    # It logs an error and continues on the CPU.
    if session.get_providers()[0] != provider[0]:
        raise _missing_provider(provider[0])
    return OnnxSession(session)


def provider_for(placement: Placement) -> Provider:
    """Return the execution provider that uses a device, and its options."""
    provider = get_device(placement.device).onnx_provider
    return provider(placement.device) if provider else CPU


def require_provider(name: str) -> None:
    """Raise DeviceError where the installed ONNX Runtime has no such execution provider."""
    onnxruntime = import_onnxruntime()

    if name not in onnxruntime.get_available_providers():
        raise _missing_provider(name)


def require_onnxruntime() -> None:
    require_library("onnxruntime", "onnxruntime", "ONNX Runtime", "onnxruntime")


def write_compiled(source: str | bytes, target: Path, placement: Placement) -> None:
    """Let ONNX Runtime fuse the graph for this processor once, not at every start."""
    # Fusions for this processor mean nothing to an accelerator, whose provider makes its own.
    level = "ALL" if provider_for(placement) is CPU else "BASIC"
    _optimize(rewrite_hard_swish(source, in_integers), target, level)


def fold_constants(source: Path, target: Path) -> None:
    """Fold constants and batch norm of an ONNX file, for no processor in particular."""
    _optimize(str(source), target, "BASIC")


def load_compiled(path: Path, placement: Placement) -> OnnxSession:
    """Load what `write_compiled` wrote."""
    hint = "delete the file, and it is made again"
    return open_file(path, placement.threads, provider_for(placement), hint)


def cache_key(placement: Placement) -> str:
    """Name the processor and the release whose memory layouts an optimised graph holds."""
    onnxruntime = import_onnxruntime()

    kind = instruction_set() if provider_for(placement) is CPU else placement.device.kind
    return f"{kind}-ort{onnxruntime.__version__}"


COMPILED = CompiledModel(
    "onnxruntime", "ONNX Runtime", ".onnx", cache_key, write_compiled, load_compiled
)


def _optimize(source: str | bytes, target: Path, level: str) -> None:
    onnxruntime = import_onnxruntime()
    options = _options(1)
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = getattr(levels, f"ORT_ENABLE_{level}")
    options.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(source, options, [CPU], disabled_optimizers=INEXACT)


def _options(threads: int) -> Any:
    onnxruntime = import_onnxruntime()

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Threads that spin while they wait take the processor from loading and from decoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _load_cuda_libraries(onnxruntime: Any) -> None:
    """Load CUDA and cuDNN from the packages that pip installed, where the loader does not look."""
    if hasattr(onnxruntime, "preload_dlls"):  # since 1.21
        with redirect_stdout(StringIO()):  # what is missing, it prints
            onnxruntime.preload_dlls()


def _missing_provider(name: str) -> DeviceError:
    from clsctl.inference.gpu_builds import ONNXRUNTIME, replace_commands

    return DeviceError(
        f"the installed ONNX Runtime cannot use its {name}",
        code="E_BACKEND_MISSING",
        hint=f"{replace_commands(ONNXRUNTIME)}; it needs a driver for CUDA 12 (525 or newer)",
    )
