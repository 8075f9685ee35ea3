"""`--device auto|gpu:1` and `--backend auto|NAME` -> one device and one backend.

What was asked for and is not there is an error, never a fallback; `auto` chooses by priority
among what is there, and the caller says what it chose.
"""

from __future__ import annotations

from collections.abc import Iterable

from clsctl.errors import DeviceError, ModelError, UsageError
from clsctl.notes import note
from clsctl.plugins import Registry
from clsctl.types import Backend, Device, DeviceId, ModelSpec, Placement


def select_device(text: str, registry: Registry) -> DeviceId:
    """The device that `text` names: `auto`, `cpu`, `gpu`, `gpu:1` ...

    Raises:
        UsageError: The text is no device's name (`E_DEVICE_UNKNOWN`).
        DeviceError: The device is not there (`E_DEVICE_MISSING`).
    """
    if text == "auto":
        return _best_device(registry.items("devices").values())
    kind, colon, number = text.partition(":")
    device: Device = registry.get("devices", kind)
    if colon and not number.isdecimal():
        raise UsageError(
            f"'{text}' is not a device: after the colon comes a number, as in {kind}:0",
            code="E_DEVICE_UNKNOWN",
        )
    units, index = device.units(), int(number or 0)
    if index >= len(units):
        raise DeviceError(
            f"there is no {kind}:{index}; this machine has {len(units)}, counted from 0",
            code="E_DEVICE_MISSING",
            hint="`clsctl doctor` lists the devices",
        )
    return DeviceId(kind, index)


def select_backend(text: str, spec: ModelSpec, placement: Placement, registry: Registry) -> Backend:
    """The backend that `text` names, prepared to run the model so.

    Raises:
        UsageError: There is no backend of that name (`E_BACKEND_UNKNOWN`).
        DeviceError: It is not installed, or does not run on the device (`E_BACKEND_MISSING`).
        ModelError: It cannot run this model.
    """
    device = placement.device
    if text != "auto":
        backend: Backend = registry.get("backends", text)
        backend.check()
        if device.kind not in backend.devices:
            raise _missing(f"backend '{text}' does not run on {device}", registry)
        backend.prepare(spec, placement)
        return backend
    backends: Iterable[Backend] = registry.items("backends").values()
    for backend in sorted(backends, key=lambda backend: -backend.priority):
        usable = device.kind in backend.devices and _installed(backend)
        if usable and _prepared(backend, spec, placement):
            return backend
    raise _missing(f"no installed backend runs {spec.name} on {device}", registry)


def _best_device(devices: Iterable[Device]) -> DeviceId:
    for device in sorted(devices, key=lambda device: -device.priority):
        try:
            if device.units():
                return DeviceId(device.name)
        except DeviceError:
            continue
    raise DeviceError("there is no device to run on, not even a CPU", code="E_DEVICE_MISSING")


def _installed(backend: Backend) -> bool:
    try:
        backend.check()
    except DeviceError:
        return False
    return True


def _prepared(backend: Backend, spec: ModelSpec, placement: Placement) -> bool:
    try:
        backend.prepare(spec, placement)
    except ModelError as error:
        note(f"{error.message}; trying the next backend")
        return False
    return True


def _missing(reason: str, registry: Registry) -> DeviceError:
    names = ", ".join(sorted(registry.items("backends")))
    return DeviceError(reason, code="E_BACKEND_MISSING", hint=f"backends: {names}, or auto")
