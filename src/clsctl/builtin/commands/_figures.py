"""What commands share that answer from figures rather than run something."""

from __future__ import annotations

from clsctl.plugin import DeviceId


def device_meant(text: str | None) -> DeviceId:
    """The device of an option or the settings, which need not be on this machine.

    Raises:
        UsageError: There is no such kind of device (`E_DEVICE_UNKNOWN`).
    """
    from clsctl.inference.devices import select_device
    from clsctl.plugin.registry import default_registry
    from clsctl.settings import load_settings

    asked = load_settings(device=text).device
    if asked == "auto":
        return select_device(asked, default_registry())
    kind, _, number = asked.partition(":")
    default_registry().get("devices", kind)
    return DeviceId(kind, int(number) if number.isdecimal() else 0)
