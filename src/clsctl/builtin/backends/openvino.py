"""OpenVINO: often the fastest on Intel and ARM processors, in bf16 and int8 too."""

from __future__ import annotations

from clsctl.errors import DeviceError
from clsctl.inference.compiled import ensure_compiled
from clsctl.inference.openvino_session import (
    COMPILED,
    OpenvinoSession,
    import_openvino,
    load_compiled,
)
from clsctl.installation import require_library
from clsctl.plugin import Backend, ModelSpec, Placement, hookimpl
from clsctl.system.cpu import multiplies_bf16


@hookimpl
def clsctl_backends() -> list[Backend]:
    return [
        Backend(
            "openvino",
            "OpenVINO on CPU, from a model compiled once; bf16 where the processor has it.",
            _check,
            open_model,
            prepare=_prepare,
            priority=5,
            precisions={"cpu": ("fp32", "bf16", "int8")},
            formats=("paddle", "onnx", "openvino"),
            packages=("openvino",),
            compiled=COMPILED,
            import_library=import_openvino,
        )
    ]


def open_model(spec: ModelSpec, placement: Placement) -> OpenvinoSession:
    """Load the compiled model, compiling it first where that was not done before."""
    return load_compiled(ensure_compiled(COMPILED, spec, placement), placement)


def _check() -> None:
    require_library("openvino", "openvino", "OpenVINO", "openvino")


def _prepare(spec: ModelSpec, placement: Placement) -> None:
    if placement.precision == "bf16" and not multiplies_bf16():
        raise DeviceError(
            "this processor has no bf16 instructions, so bf16 would be slower than fp32 on it",
            code="E_PRECISION_PROCESSOR",
            hint="use --precision fp32",
        )
    ensure_compiled(COMPILED, spec, placement)
