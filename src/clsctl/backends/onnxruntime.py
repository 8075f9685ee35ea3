"""ONNX Runtime: the fast default on CPU, from a converted and cached form of the model."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl import hookimpl
from clsctl.conversion import onnx_model
from clsctl.errors import DeviceError, ModelError
from clsctl.types import Backend, ModelSpec, Placement

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@hookimpl
def clsctl_backends() -> list[Backend]:
    return [
        Backend(
            "onnxruntime",
            "ONNX Runtime on CPU, from a form converted once; fastest to start.",
            ("cpu",),
            _check,
            open_model,
            prepare=lambda spec, placement: onnx_model(spec),
            priority=10,
        )
    ]


class OnnxSession:
    """An ONNX Runtime session; safe to share between threads."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores [N, classes] for a batch [N, 3, H, W]."""
        scores: NDArray[np.float32] = self._session.run(None, {self._input: batch})[0]
        return scores


def open_model(spec: ModelSpec, placement: Placement) -> OnnxSession:
    """Load the model's ONNX form, converting it first where that was not done before."""
    return open_file(onnx_model(spec), placement.threads)


def open_file(path: Path, threads: int) -> OnnxSession:
    """Load an optimised ONNX file; 0 threads means every core.

    Raises:
        ModelError: It cannot be loaded (`E_MODEL_UNREADABLE`).
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    # Threads that spin while they wait take the processor from loading and from decoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - its exceptions have no class in common
        raise ModelError(
            f"ONNX Runtime cannot load {path}: {error}",
            code="E_MODEL_UNREADABLE",
            hint="delete the file, and it is made again",
        ) from None
    return OnnxSession(session)


def _check() -> None:
    if find_spec("onnxruntime") is None:
        raise DeviceError(
            "backend 'onnxruntime' needs ONNX Runtime, which is not installed",
            code="E_BACKEND_MISSING",
            hint="pip install onnxruntime",
        )
    if find_spec("paddle2onnx") is None:
        raise DeviceError(
            "backend 'onnxruntime' needs paddle2onnx to convert models, which is not installed",
            code="E_BACKEND_MISSING",
            hint="pip install paddle2onnx, for which there is no build for Python 3.13 yet",
        )
