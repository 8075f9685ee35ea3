"""NVIDIA GPUs, by the CUDA build of PaddlePaddle."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from clsctl.errors import DeviceError
from clsctl.plugin import Device, DeviceId, Placement, hookimpl

PADDLE_POOL_MB = 100
"""Memory that Paddle Inference takes at first; it takes more where that does not suffice."""


@hookimpl
def clsctl_devices() -> list[Device]:
    return [
        Device(
            "gpu",
            "NVIDIA GPUs.",
            _units,
            priority=10,
            precisions={"paddle": ("fp32", "fp16"), "onnxruntime": ("fp32",)},
            configure_paddle=_configure_paddle,
            onnx_provider=_onnx_provider,
            collectives="nccl",
            sync_batch_norm=True,
        )
    ]


def _units() -> list[str]:
    """Ask the driver for one line a GPU, so that looking for one imports no framework."""
    from clsctl.inference.gpu_builds import PADDLE, build_problem, replace_commands

    program = shutil.which("nvidia-smi")
    if program is None:
        raise DeviceError(
            "no GPU: this machine has no NVIDIA driver (nvidia-smi is not on the PATH)",
            code="E_DEVICE_MISSING",
            hint="use --device cpu, or install the NVIDIA driver",
        )
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, check=False)
    units = [line.strip() for line in answer.stdout.splitlines() if line.strip()]
    if answer.returncode != 0 or not units:
        reason = " ".join((answer.stdout + answer.stderr).split()) or "it lists none"
        raise DeviceError(f"no GPU: nvidia-smi says: {reason}", code="E_DEVICE_MISSING")
    if not PADDLE.for_gpus:
        raise DeviceError(
            f"{len(units)} GPU(s) found, but {build_problem(PADDLE)}",
            code="E_DEVICE_MISSING",
            hint=replace_commands(PADDLE),
        )
    return units


def _configure_paddle(config: Any, placement: Placement) -> None:
    from paddle.inference import PrecisionType

    from clsctl.inference.gpu_builds import PADDLE, replace_commands

    device, half = placement.device, placement.precision == "fp16"
    precision = PrecisionType.Half if half else PrecisionType.Float32
    config.enable_use_gpu(PADDLE_POOL_MB, device.index or 0, precision)
    # A CPU build logs an error and continues on the CPU.
    if not config.use_gpu():
        raise DeviceError(
            f"the installed PaddlePaddle is a CPU build and cannot run on {device}",
            code="E_DEVICE_MISSING",
            hint=f"use --device cpu, or {replace_commands(PADDLE)}",
        )


def _onnx_provider(device: DeviceId) -> tuple[str, Mapping[str, object]]:
    return "CUDAExecutionProvider", {"device_id": device.index or 0}
