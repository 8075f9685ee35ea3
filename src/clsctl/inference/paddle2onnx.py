"""Convert Paddle models to ONNX by paddle2onnx: neither optimised nor checked."""

from __future__ import annotations

import sys
from pathlib import Path

from clsctl.errors import ModelError
from clsctl.inference.graphs.onnx_folding import fold_affine
from clsctl.models.directory import read_model_dir
from clsctl.system.files import require_writable
from clsctl.system.processes import run_module
from clsctl.values import ModelSpec

OPSET = 17
CONVERTER = "paddle2onnx"


def write_onnx(spec: ModelSpec, target: Path) -> None:
    """Write a model as ONNX; the converter, which prints as it likes, runs in a process of its own.

    Raises:
        ModelError: It cannot be converted (`E_CONVERSION`).
        OSError: There is no room for it.
    """
    files = spec.graph.absolute(), target.absolute()
    if run_module(__name__, *files, folder=target.parent).returncode:
        require_writable(target)
        raise _inconvertible(spec)


def onnx_bytes(spec: ModelSpec) -> bytes:
    """Convert a model to ONNX in this process.

    Raises:
        ModelError: It cannot be converted (`E_CONVERSION`).
    """
    import paddle2onnx

    try:
        content: bytes = paddle2onnx.export(
            str(spec.graph),
            str(spec.params),
            opset_version=OPSET,
            auto_upgrade_opset=True,
            enable_onnx_checker=True,
            # Any other optimiser pip-installs packages behind the user's back.
            optimize_tool="None",
        )
    except (OSError, MemoryError):
        raise
    except (Exception, SystemExit):  # noqa: BLE001 - it prints what went wrong, then exits
        raise _inconvertible(spec) from None
    return fold_affine(content)


def _inconvertible(spec: ModelSpec) -> ModelError:
    return ModelError(
        f"{CONVERTER} cannot convert {spec.name} to ONNX",
        code="E_CONVERSION",
        hint="use --backend paddle",
    )


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(onnx_bytes(read_model_dir(Path(sys.argv[1]))))
