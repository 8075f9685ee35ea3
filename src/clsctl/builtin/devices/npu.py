"""Ascend NPUs, by PaddlePaddle's custom-device plugin."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

from clsctl.errors import DeviceError
from clsctl.plugin import Device, Placement, hookimpl


@hookimpl
def clsctl_devices() -> list[Device]:
    return [
        Device(
            "npu",
            "Ascend NPUs.",
            _units,
            priority=5,
            precisions={"paddle": ("fp32",)},
            configure_paddle=_configure_paddle,
        )
    ]


def _units() -> list[str]:
    """Name each NPU, after a look for the plugin, so that its absence costs no import."""
    if find_spec("paddle_custom_device") is None and not os.environ.get("CUSTOM_DEVICE_ROOT"):
        raise _missing("PaddlePaddle's NPU plugin is not installed")
    import paddle

    if "npu" not in (paddle.device.get_all_custom_device_type() or ()):
        raise _missing("PaddlePaddle found no plugin for device type 'npu'")
    units = [
        name
        for name in paddle.device.get_available_custom_device() or ()
        if name == "npu" or name.startswith("npu:")
    ]
    if not units:
        raise _missing("the plugin is installed but sees no device")
    return units


def _configure_paddle(config: Any, placement: Placement) -> None:
    config.enable_custom_device("npu", placement.device.index or 0)


def _missing(reason: str) -> DeviceError:
    return DeviceError(
        f"no NPU: {reason}",
        code="E_DEVICE_MISSING",
        hint="use --device cpu, or install paddle-custom-npu for your CANN version",
    )
