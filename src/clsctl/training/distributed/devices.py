"""Choose the device of each process."""

from __future__ import annotations

from clsctl.inference.devices import get_device, select_device
from clsctl.plugin.registry import default_registry
from clsctl.values import DeviceId


def device_of(text: str, local: int) -> DeviceId:
    """Choose the device of one of a machine's processes: `gpu:2,5` names one for each, `gpu` all.

    Raises:
        UsageError: There is no such kind of device (`E_DEVICE_UNKNOWN`).
        DeviceError: The device is not there (`E_DEVICE_MISSING`).
    """
    kind, colon, numbers = text.partition(":")
    if colon:
        own = numbers.split(",")[local % len(numbers.split(","))]
        return select_device(f"{kind}:{own}", default_registry())
    device = select_device(kind, default_registry())
    if not get_device(device).accelerator or local == 0:
        return device
    return select_device(f"{device.kind}:{local}", default_registry())
