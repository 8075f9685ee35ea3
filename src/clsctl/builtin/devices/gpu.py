"""NVIDIA GPUs, by the CUDA build of PaddlePaddle."""

from __future__ import annotations

import shutil
import subprocess
from importlib import metadata

from clsctl.errors import DeviceError
from clsctl.plugin import Device, hookimpl


@hookimpl
def clsctl_devices() -> list[Device]:
    return [Device("gpu", "NVIDIA GPUs.", _units, priority=10)]


def _units() -> list[str]:
    """One line a GPU. Asks the driver, so that looking for a GPU imports no framework."""
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
    if not _installed("paddlepaddle-gpu"):
        raise DeviceError(
            f"{len(units)} GPU(s) found, but the installed PaddlePaddle is a CPU build",
            code="E_DEVICE_MISSING",
            hint="replace paddlepaddle by the paddlepaddle-gpu build for your CUDA version",
        )
    return units


def _installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
