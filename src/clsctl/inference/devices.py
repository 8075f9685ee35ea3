"""Find devices by name, and let Paddle use them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from clsctl.errors import DeviceError, UsageError
from clsctl.plugin.descriptors import Device
from clsctl.plugin.registry import Registry, default_registry
from clsctl.values import DeviceId


def select_device(text: str, registry: Registry) -> DeviceId:
    """Find the device that `text` names: `auto`, `cpu`, `gpu`, `gpu:1` ...

    Raises:
        UsageError: The text is no device's name (`E_DEVICE_UNKNOWN`).
        DeviceError: The device is not there (`E_DEVICE_MISSING`).
    """
    if text == "auto":
        return _best_device(registry)
    device, index = _parse(text, registry)
    units = device.units()
    if index >= len(units):
        raise DeviceError(
            f"there is no {device.name}:{index}; this machine has {len(units)}, counted from 0",
            code="E_DEVICE_MISSING",
            hint="`clsctl doctor` lists the devices",
        )
    return device.unit(index)


def resolve_device(text: str, registry: Registry) -> DeviceId:
    """Find the device that `text` names, which need not be on this machine unless it is `auto`.

    Raises:
        UsageError: The text is no device's name (`E_DEVICE_UNKNOWN`).
        DeviceError: It is `auto` and there is none (`E_DEVICE_MISSING`).
    """
    if text == "auto":
        return _best_device(registry)
    device, index = _parse(text, registry)
    return device.unit(index)


def get_device(device: DeviceId, registry: Registry | None = None) -> Device:
    """Return what is known of a device's kind.

    Raises:
        UsageError: There is no such kind (`E_DEVICE_UNKNOWN`).
    """
    found: Device = (registry or default_registry()).get("devices", device.kind)
    return found


@contextmanager
def paddle_on(device: DeviceId) -> Iterator[None]:
    """Let Paddle's networks compute on a device for a while; then they do where they did before."""
    import paddle

    before = paddle.device.get_device()
    paddle.device.set_device(get_device(device).paddle_place(device))
    try:
        yield
    finally:
        paddle.device.set_device(before)


def _parse(text: str, registry: Registry) -> tuple[Device, int]:
    """Split `gpu:1` into its kind and the number of a unit, 0 where none is named."""
    kind, colon, number = text.partition(":")
    device: Device = registry.get("devices", kind)
    if colon and not number.isdecimal():
        raise UsageError(
            f"'{text}' is not a device: after the colon comes a number, as in {kind}:0",
            code="E_DEVICE_UNKNOWN",
        )
    return device, int(number or 0)


def _best_device(registry: Registry) -> DeviceId:
    """The available device of highest priority."""
    devices: Iterable[Device] = registry.items("devices").values()
    for device in sorted(devices, key=lambda device: -device.priority):
        try:
            if device.units():
                return device.unit()
        except DeviceError:
            continue
    raise DeviceError("there is no device to run on, not even a CPU", code="E_DEVICE_MISSING")
