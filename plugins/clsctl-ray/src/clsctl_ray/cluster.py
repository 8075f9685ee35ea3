"""A Ray cluster: joined, or started for one job, and what a worker takes of it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from clsctl.errors import DeviceError
from clsctl.inference.devices import get_device
from clsctl.plugin import PredictJob
from clsctl.system.cpu import available_cores

_LOOPBACK = ("local", "127.")


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Be the driver of a cluster for the time of the block.

    Args:
        address: As `ray.init` takes it; where empty, `RAY_ADDRESS`, or else a cluster of this
            machine alone is started, and ended with the block.

    Raises:
        DeviceError: There is no cluster at that address (`E_RAY_ADDRESS`).
    """
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    ray = _import_ray(address)
    alone = {"num_cpus": available_cores(), "include_dashboard": False}
    options = alone if address == "local" else {}
    try:
        _require_listener(address)
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **options)
    except (OSError, RuntimeError, ValueError) as error:
        raise DeviceError(
            f"there is no Ray cluster at '{address}': {_one_line(error)}",
            code="E_RAY_ADDRESS",
            hint="`ray start --head` starts one and prints its address",
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def placed(job: PredictJob) -> tuple[PredictJob, dict[str, Any], int]:
    """The job as one worker does it, what that worker needs, and how many workers have room.

    On a CPU a worker is one core, unless the settings give it more threads. Where there are
    accelerators it is one of these, which Ray then shows to it as the first, and its share of the
    cores.
    """
    import ray

    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    cores, kind = resources.get("CPU", 0), job.device.kind
    device = get_device(job.device)
    units = resources.get(kind.upper(), 0) if device.accelerator else cores
    threads = job.settings.threads or max(1, int(cores / (units or 1)))
    needs: dict[str, Any] = {"num_cpus": threads}
    if device.accelerator:  # Ray has an option of its own for what it calls GPU.
        needs |= {"num_gpus": 1} if kind == "gpu" else {"resources": {kind.upper(): 1}}
    one = replace(
        job,
        inputs=(),
        options=None,
        device=device.unit(),
        settings=replace(job.settings, threads=threads),
    )
    return one, needs, max(1, int(units if device.accelerator else cores // threads))


def _import_ray(address: str) -> Any:
    """Ray reads both of these variables when it is imported.

    It would listen on every address of a Linux machine, and take 127.0.0.1 for another one.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address.startswith(_LOOPBACK):
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    import ray

    return ray


def _require_listener(address: str) -> None:
    """Ray itself would try for minutes where nobody answers."""
    host, colon, port = address.rpartition("//")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
