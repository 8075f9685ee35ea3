"""ONNX Runtime: the fast default on CPU, from a converted and cached form of the model."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl import hookimpl
from clsctl.conversion import onnx_model
from clsctl.errors import DeviceError
from clsctl.types import Backend, DeviceId, ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PROVIDERS = {"cpu": "CPUExecutionProvider", "gpu": "CUDAExecutionProvider"}


@hookimpl
def clsctl_backends() -> list[Backend]:
    help_text = "ONNX Runtime, from a form converted once; fastest to start."
    return [
        Backend(
            "onnxruntime",
            help_text,
            tuple(PROVIDERS),
            _check,
            open_model,
            prepare=onnx_model,
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


def open_model(spec: ModelSpec, device: DeviceId, threads: int) -> OnnxSession:
    """Load the model's ONNX form, converting it first where that was not done before."""
    return open_file(onnx_model(spec), device, threads)


def open_file(path: Path, device: DeviceId, threads: int) -> OnnxSession:
    """Load an optimised ONNX file on a device; 0 threads means every core."""
    import onnxruntime

    provider = PROVIDERS[device.kind]
    if provider not in onnxruntime.get_available_providers():
        raise DeviceError(
            f"the installed ONNX Runtime is a build without {provider} and cannot run on {device}",
            code="E_DEVICE_MISSING",
            hint="install onnxruntime-gpu, or use --backend paddle",
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    settings = [{"device_id": device.index}] if device.kind == "gpu" else None
    return OnnxSession(
        onnxruntime.InferenceSession(str(path), options, [provider], provider_options=settings)
    )


def _check() -> None:
    if find_spec("onnxruntime") is None:
        raise DeviceError(
            "backend 'onnxruntime' needs ONNX Runtime, which is not installed",
            code="E_BACKEND_MISSING",
            hint="pip install onnxruntime",
        )
