"""The processor: always there."""

from __future__ import annotations

import os
import platform

from clsctl.plugin import Device, hookimpl


@hookimpl
def clsctl_devices() -> list[Device]:
    return [Device("cpu", "The processor.", _units)]


def _units() -> list[str]:
    return [f"{platform.machine()}, {os.cpu_count()} cores"]
