"""TensorRT on NVIDIA GPUs, through ONNX Runtime's provider; in fp16 too."""

from __future__ import annotations

from clsctl import hookimpl
from clsctl.backends import onnxruntime
from clsctl.config import folders
from clsctl.conversion import form_path
from clsctl.errors import require_library
from clsctl.types import Backend, ModelSpec, Placement

PROVIDER = "TensorrtExecutionProvider"


@hookimpl
def clsctl_backends() -> list[Backend]:
    return [
        Backend(
            "tensorrt",
            "TensorRT on NVIDIA GPUs, by ONNX Runtime's provider; its first run takes minutes.",
            ("gpu",),
            _check,
            open_model,
            prepare=_prepare,
            priority=-5,
            precisions={"gpu": ("fp32", "fp16")},
            formats=("paddle", "onnx"),
            packages=("tensorrt",),
        )
    ]


def open_model(spec: ModelSpec, placement: Placement) -> onnxruntime.OnnxSession:
    """Load the model's ONNX form; the engines that TensorRT builds of it are kept in the cache."""
    options = {
        "device_id": placement.device.index,
        "trt_fp16_enable": placement.precision == "fp16",
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(folders().cache / "tensorrt"),
    }
    path = form_path(onnxruntime.FORM, spec, placement)
    return onnxruntime.open_file(path, placement.threads, (PROVIDER, options))


def _check() -> None:
    onnxruntime.check()
    hint = "pip install tensorrt, and onnxruntime-gpu in place of onnxruntime"
    require_library("tensorrt", "tensorrt", "TensorRT", hint)


def _prepare(spec: ModelSpec, placement: Placement) -> None:
    onnxruntime.require_provider(PROVIDER)
    form_path(onnxruntime.FORM, spec, placement)
