"""The processor: always there."""

from __future__ import annotations

import platform
from typing import Any

from clsctl.plugin import Device, Placement, hookimpl
from clsctl.system.cpu import available_cores
from clsctl.system.memory import machine_memory


@hookimpl
def clsctl_devices() -> list[Device]:
    return [
        Device(
            "cpu",
            "The processor.",
            _units,
            accelerator=False,
            memory=machine_memory,
            precisions={"paddle": ("fp32",)},
            configure_paddle=_configure_paddle,
            collectives="gloo",
        )
    ]


def _units() -> list[str]:
    return [f"{platform.machine()}, {available_cores()} cores"]


def _configure_paddle(config: Any, placement: Placement) -> None:
    config.disable_gpu()
    config.enable_mkldnn()
    if placement.threads:
        config.set_cpu_math_library_num_threads(placement.threads)
