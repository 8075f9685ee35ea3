"""TensorRT on NVIDIA GPUs, through ONNX Runtime's provider; in fp16 too."""

from __future__ import annotations

from importlib import import_module

from clsctl.inference.compiled import ensure_compiled
from clsctl.inference.onnx_session import (
    COMPILED,
    OnnxSession,
    open_file,
    require_onnxruntime,
    require_provider,
)
from clsctl.installation import require_library
from clsctl.plugin import Backend, ModelSpec, Placement, hookimpl
from clsctl.settings import folders

PROVIDER = "TensorrtExecutionProvider"
RELEASE = "tensorrt-cu12<11"
"""What ONNX Runtime's builds for CUDA 12 are made for."""


@hookimpl
def clsctl_backends() -> list[Backend]:
    return [
        Backend(
            "tensorrt",
            "TensorRT on NVIDIA GPUs, by ONNX Runtime's provider; its first run takes minutes.",
            _check,
            open_model,
            prepare=_prepare,
            priority=-5,
            precisions={"gpu": ("fp32", "fp16")},
            formats=("paddle", "onnx"),
            packages=("tensorrt", "tensorrt-cu12"),
            import_library=lambda: import_module("tensorrt"),
        )
    ]


def open_model(spec: ModelSpec, placement: Placement) -> OnnxSession:
    """Load the model as ONNX; the engines that TensorRT builds of it are kept in the cache."""
    options = {
        "device_id": placement.device.index or 0,
        "trt_fp16_enable": placement.precision == "fp16",
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(folders().cache / "tensorrt"),
    }
    path = ensure_compiled(COMPILED, spec, placement)
    import_module("tensorrt")  # which loads the libraries that the provider looks for
    return open_file(path, placement.threads, (PROVIDER, options))


def _check() -> None:
    require_onnxruntime()
    more = ", and onnxruntime-gpu in place of onnxruntime"
    require_library("tensorrt", "tensorrt", "TensorRT", RELEASE, more)


def _prepare(spec: ModelSpec, placement: Placement) -> None:
    require_provider(PROVIDER)
    ensure_compiled(COMPILED, spec, placement)
