"""Join a Ray cluster, or start one for a job, and share it out among workers."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from clsctl.errors import DeviceError
from clsctl.inference.devices import get_device
from clsctl.plugin import PredictJob
from clsctl.system.cpu import available_cores

_LOOPBACK = ("local", "127.")


class WorkerPlan(NamedTuple):
    """What a worker does.

    Attributes:
        job: The job as one worker does it, without inputs.
        needs: What it takes of the cluster, as options of a Ray actor.
        room: How many workers the cluster has room for.
    """

    job: PredictJob
    needs: dict[str, Any]
    room: int


@contextmanager
def connect(address: str | None) -> Iterator[None]:
    """Be the driver of a cluster for the time of the block.

    Args:
        address: As `ray.init` takes it; where empty, `RAY_ADDRESS`, or else a cluster of this
            machine alone is started, and ended with the block.

    Raises:
        DeviceError: There is no cluster at that address (`E_RAY_ADDRESS`).
    """
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    with _environment(address):
        import ray

        try:
            _require_listener(address)
            _init(address)
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


def plan_workers(job: PredictJob) -> WorkerPlan:
    """Share the cluster out among workers.

    On a CPU a worker is one core, unless the settings give it more threads. Where there are
    accelerators it is one of these, which Ray then shows to it as the first, and its share of the
    cores.
    """
    import ray

    resources: dict[str, float] = ray.cluster_resources()
    device = get_device(job.placement.device)
    cores, kind = resources.get("CPU", 0), device.name
    units = resources.get(kind.upper(), 0) if device.accelerator else cores
    threads = job.settings.threads or max(1, int(cores / (units or 1)))
    needs: dict[str, Any] = {"num_cpus": threads}
    if device.accelerator:  # Ray has an option of its own for what it calls GPU.
        needs |= {"num_gpus": 1} if kind == "gpu" else {"resources": {kind.upper(): 1}}
    one = replace(
        job,
        inputs=(),
        options=None,
        placement=replace(job.placement, device=device.unit()),
        settings=replace(job.settings, threads=threads),
    )
    return WorkerPlan(one, needs, max(1, int(units if device.accelerator else cores // threads)))


@contextmanager
def _environment(address: str) -> Iterator[None]:
    """Set the variables that Ray reads when it is imported and started, unless the user did.

    Without them it would send usage statistics, listen on every address of a Linux machine, and
    take 127.0.0.1 for another one.
    """
    wanted = {"RAY_USAGE_STATS_ENABLED": "0"}
    if address.startswith(_LOOPBACK):
        wanted["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _init(address: str) -> None:
    import ray

    alone = {"num_cpus": available_cores(), "include_dashboard": False}
    options: dict[str, Any] = alone if address == "local" else {}
    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)


def _require_listener(address: str) -> None:
    """Fail at once where nobody answers, which Ray would try for minutes."""
    host, colon, port = address.rpartition("//")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
