"""ONNX Runtime: the fast default on CPU, from a compiled and cached model."""

from __future__ import annotations

from clsctl.inference.compiled import ensure_compiled
from clsctl.inference.onnx_session import (
    COMPILED,
    OnnxSession,
    import_onnxruntime,
    load_compiled,
    provider_for,
    require_onnxruntime,
    require_provider,
)
from clsctl.plugin import Backend, ModelSpec, Placement, hookimpl


@hookimpl
def clsctl_backends() -> list[Backend]:
    return [
        Backend(
            "onnxruntime",
            "ONNX Runtime, from a model compiled once; fastest to start.",
            require_onnxruntime,
            open_model,
            precisions={"cpu": ("fp32", "int8")},
            prepare=_prepare,
            priority=10,
            formats=("paddle", "onnx"),
            packages=("onnxruntime", "onnxruntime-gpu"),
            compiled=COMPILED,
            import_library=import_onnxruntime,
        )
    ]


def open_model(spec: ModelSpec, placement: Placement) -> OnnxSession:
    """Load the compiled model, compiling it first where that was not done before."""
    return load_compiled(ensure_compiled(COMPILED, spec, placement), placement)


def _prepare(spec: ModelSpec, placement: Placement) -> None:
    require_provider(provider_for(placement)[0])
    ensure_compiled(COMPILED, spec, placement)
