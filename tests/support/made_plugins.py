"""Plugins for the tests: installed for real, or given to a registry of the test's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from clsctl.errors import ClsctlError
from clsctl.plugin import Backend, Device, hookimpl
from clsctl.plugin.registry import Registry, load_registry


def install(site: Path, name: str, source: str) -> dict[str, str]:
    """Install a plugin that is one module; returns the environment that shows it to a process."""
    module = name.replace("-", "_")
    info = site / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (site / f"{module}.py").write_text(source, encoding="utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[clsctl]\n{name} = {module}\n")
    paths = [str(site), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def registry_with(*items: Device | Backend) -> Registry:
    """The registry of this installation and one more plugin."""
    devices = [item for item in items if isinstance(item, Device)]
    backends = [item for item in items if isinstance(item, Backend)]
    registry = load_registry()
    plugin = SimpleNamespace(
        clsctl_devices=hookimpl(lambda: devices), clsctl_backends=hookimpl(lambda: backends)
    )
    registry.register(plugin, "tests", "tests")
    return registry


def device(name: str, units: int, priority: int = 0) -> Device:
    return Device(name, "For the tests.", lambda: [f"unit {i}" for i in range(units)], priority)


def backend(name: str, priority: int = 0, **changes: object) -> Backend:
    facts = {"check": lambda: None, "open": lambda *_: None, "precisions": {"cpu": ("fp32",)}}
    return Backend(name, "For the tests.", priority=priority, **(facts | changes))


def raising(error: ClsctlError) -> Callable[..., None]:
    def function(*_: object) -> None:
        raise error

    return function
