"""`clsctl doctor`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from clsctl.builtin.commands._options import PlainFormat
from clsctl.paths import exists
from clsctl.plugin import Command, hookimpl

if TYPE_CHECKING:
    from clsctl.plugin import Backend, Device
    from clsctl.plugin.registry import Registry
    from clsctl.settings import Settings

PACKAGES = (
    "paddlepaddle",
    "paddlepaddle-gpu",
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "tensorrt",
    "tensorrt-cu12",
    "paddle2onnx",
    "opencv-python-headless",
    "opencv-python",
    "pillow",
    "numpy",
    "pypdfium2",
)
TIMEOUT_S = 3.0


@hookimpl
def clsctl_commands() -> list[Command]:
    return [
        Command(
            "doctor",
            "Show what works on this machine and what does not.",
            doctor,
            examples=("clsctl doctor", "clsctl doctor --offline --format json"),
        )
    ]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `ok` is None where the line is neither good nor bad."""

    topic: str
    name: str
    ok: bool | None
    detail: str


def doctor(
    format_: PlainFormat = "table",
    offline: Annotated[
        bool | None, typer.Option("--offline", help="Do not try the servers.", show_default=False)
    ] = None,
) -> None:
    """Report versions, devices, backends, plugins, the store, and which servers answer."""
    from clsctl.plugin.registry import default_registry
    from clsctl.settings import load_settings

    settings, registry = load_settings(offline=offline), default_registry()
    findings = [
        *_versions(),
        *_builds(),
        *_devices(registry),
        *_backends(registry),
        *_timings(),
        *_plugins(registry),
        *_store(settings),
        *_servers(settings),
    ]
    if format_ == "json":
        from clsctl.console.text import print_json

        print_json([asdict(finding) for finding in findings])
    else:
        _print(findings)


def _versions() -> Iterator[Finding]:
    import platform
    from importlib import metadata

    from clsctl.values import __version__

    yield Finding("versions", "clsctl", None, __version__)
    system = f"{platform.python_implementation()} {platform.python_version()}"
    yield Finding("versions", "python", None, f"{system} on {platform.platform()}")
    installed = {dist.metadata["Name"].lower(): dist.version for dist in metadata.distributions()}
    for package in PACKAGES:
        if package in installed:
            yield Finding("versions", package, None, installed[package])


def _builds() -> Iterator[Finding]:
    from clsctl.inference.gpu_builds import BUILDS, build_problem, replace_commands

    for builds in BUILDS:
        if len(builds.installed) > 1:
            advice = f"{build_problem(builds)}: {replace_commands(builds)}"
            yield Finding("builds", builds.name, False, advice)


def _devices(registry: Registry) -> Iterator[Finding]:
    from clsctl.errors import DeviceError

    for name, device in registry.items("devices").items():
        try:
            yield Finding("devices", name, True, "; ".join(device.units()))
        except DeviceError as error:
            advice = f": {error.hint}" if error.hint else ""
            yield Finding("devices", name, False, f"{error.message}{advice}")


def _backends(registry: Registry) -> Iterator[Finding]:
    devices = registry.items("devices").values()
    backends = registry.items("backends").values()
    with ThreadPoolExecutor(max(1, len(backends))) as pool:
        yield from pool.map(lambda backend: _try_backend(backend, devices), backends)


def _try_backend(backend: Backend, devices: Iterable[Device]) -> Finding:
    """Import the library in a process of its own: a broken one may end it, or print pages."""
    from clsctl.errors import DeviceError
    from clsctl.settings import folders
    from clsctl.system.processes import failure_of, run_module

    try:
        backend.check()
    except DeviceError as error:
        return Finding("backends", backend.name, False, f"{error.message}: {error.hint}")
    cache = folders().cache
    cache.mkdir(parents=True, exist_ok=True)
    child = run_module("clsctl.inference.import_library", backend.name, folder=cache)
    if child.returncode:
        return Finding("backends", backend.name, False, f"cannot be used: {failure_of(child)}")
    names = [device.name for device in devices if backend.precisions_on(device)]
    return Finding("backends", backend.name, True, f"runs on {', '.join(names)}")


def _timings() -> Iterator[Finding]:
    from clsctl.inference.backend_benchmark import list_cached
    from clsctl.inference.batch_size import list_batches

    for timings in list_cached():
        yield Finding("measured", timings.model, None, str(timings))
    for batches in list_batches():
        yield Finding("measured", batches.model, None, str(batches))


def _plugins(registry: Registry) -> Iterator[Finding]:
    for name, origin in registry.origins.items():
        if origin != "built-in":
            yield Finding("plugins", name, True, origin)
    for problem in registry.problems:
        yield Finding("plugins", "problem", False, problem)


def _store(settings: Settings) -> Iterator[Finding]:
    import os
    import shutil

    from clsctl.models.store import open_store
    from clsctl.settings import folders

    folder = folders().data
    there = next(path for path in (folder, *folder.parents) if exists(path))
    free = shutil.disk_usage(there).free / 2**30
    writable = os.access(there, os.W_OK)
    state = f"{free:.0f} GiB free" if writable else "not writable"
    yield Finding("store", str(folder), writable, state)
    names = open_store().pulled()
    yield Finding("store", "models", None, ", ".join(names) or "none yet")


def _servers(settings: Settings) -> Iterator[Finding]:
    from clsctl.models.catalog import load_catalog

    if settings.offline:
        yield Finding("servers", "offline", None, "not tried")
        return
    urls = [mirror for mirror in settings.mirrors if "://" in mirror]
    artifacts = (entry.inference for entry in load_catalog().values() if entry.inference)
    urls += sorted({_server(artifact.url) for artifact in artifacts if "http" in artifact.url})
    with ThreadPoolExecutor(max(1, len(urls))) as pool:
        yield from pool.map(_try_server, urls)


def _server(url: str) -> str:
    """The URL of the server alone; the whole one where it is none."""
    from urllib.parse import urlsplit

    try:
        return f"https://{urlsplit(url).netloc}"
    except ValueError:
        return url


def _try_server(url: str) -> Finding:
    from clsctl.http_client import httpx

    try:
        answer = httpx.head(url, timeout=TIMEOUT_S, follow_redirects=True)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return Finding("servers", url, False, f"not reachable: {error or type(error).__name__}")
    return Finding("servers", url, True, f"answers ({answer.status_code})")


def _print(findings: list[Finding]) -> None:
    from clsctl.console.tables import Text, new_grid, open_console

    marks = {True: ("ok", "green"), False: ("no", "red"), None: ("", "")}
    table = new_grid()
    topic = ""
    for finding in findings:
        if topic and finding.topic != topic:
            table.add_row()
        shown = finding.topic if finding.topic != topic else ""
        topic = finding.topic
        mark = Text(*marks[finding.ok])
        table.add_row(Text(shown, style="bold"), finding.name, mark, finding.detail)
    open_console().print(table)
