"""Run the app as replicas on a Ray cluster.

Ray Serve keeps them, on whichever node has room, starts others in place of lost ones, and gives a
request to the one that has least to do.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clsctl.errors import DeviceError, UsageError
from clsctl.installation import install_hint, install_plugin_hint
from clsctl.models.directory import read_model_dir
from clsctl_serve.app import create_app
from clsctl_serve.options import ServeOptions
from clsctl_serve.service import Service

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle

    from clsctl.http_client import httpx

    Files = Mapping[str, bytes]

ONGOING = 2
"""Requests that each replica should have: one that it works on, and the next."""

MORE_S, FEWER_S = 10.0, 60.0
"""How long there have to be too many or too few requests for another number of replicas."""


@dataclass(frozen=True, slots=True)
class Replication:
    """Where replicas run, and how many.

    Attributes:
        address: Of the cluster, as `ray.init` takes it; empty for `RAY_ADDRESS`, or one of this
            machine alone.
        least: How many there are always.
        most: How many there are where many requests wait.
    """

    address: str = ""
    least: int = 1
    most: int = 1


def parse_replicas(text: str) -> tuple[int, int]:
    """Read `--replicas`: `N`, or `MIN-MAX`.

    Raises:
        UsageError: It is neither (`E_VALUE`).
    """
    least, dash, most = text.partition("-")
    if not re.fullmatch(r"[1-9]\d{0,5}(-[1-9]\d{0,5})?", text) or int(most or least) < int(least):
        raise UsageError(f"--replicas is N or MIN-MAX, such as 1-8, not '{text}'", code="E_VALUE")
    return int(least), int(most if dash else least)


class RawRequest(NamedTuple):
    """A request as it travels to a replica."""

    method: str
    target: str
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class RawResponse(NamedTuple):
    """What a replica answers."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class Replica:
    """The whole app in an actor of Ray's.

    Args:
        options: Without models.
        files: Name of the actor that has the model directories.
    """

    _client: httpx.AsyncClient

    async def __init__(  # type: ignore[misc]  # Ray Serve waits for it
        self, options: ServeOptions, files: str
    ) -> None:
        import ray
        from clsctl_ray.worker import unpack_files

        from clsctl.http_client import httpx

        [reference] = await ray.get_actor(files).get.remote()
        found: Mapping[str, Files] = await reference
        dirs = tuple(f"{name}={unpack_files(content)}" for name, content in found.items())
        app = create_app(replace(options, model_dirs=dirs))
        self._service: Service = app.state.service
        await self._service.start()
        transport = httpx.ASGITransport(app)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://replica")

    async def summary(self) -> str:
        """Say what answers, in a few words."""
        return self._service.summary()

    async def answer(self, asked: RawRequest) -> RawResponse:
        """RawResponse a request as the app would over HTTP."""
        found = await self._client.request(
            asked.method, asked.target, headers=list(asked.headers), content=asked.body
        )
        return RawResponse(found.status_code, found.headers.raw, found.content)


class ModelFiles:
    """An actor that knows where the models are, for replicas that are started later.

    Args:
        references: One, to the files of each model by its name; in a list, so that Ray does not
            resolve it.
    """

    def __init__(self, references: Sequence[Any]) -> None:
        self._references = references

    def get(self) -> Sequence[Any]:
        """Return the same references."""
        return self._references


@contextmanager
def ray_serve(address: str, name: str) -> Iterator[None]:
    """Join a cluster; the replicas of that name end with the block.

    Raises:
        DeviceError: There is no cluster (`E_RAY_ADDRESS`), or Ray Serve is not installed
            (`E_EXTRA_MISSING`).
    """
    try:
        from clsctl_ray.cluster import connect
        from ray import serve
    except ImportError as error:
        own = error.name == "clsctl_ray"
        raise DeviceError(
            f"--executor ray needs Ray Serve: {error}",
            code="E_EXTRA_MISSING",
            hint=install_plugin_hint("clsctl-ray") if own else install_hint("ray[serve]"),
        ) from None
    with connect(address):
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        serve.start(proxy_location="Disabled")
        try:
            yield
        finally:
            serve.delete(name)


class Deployed(NamedTuple):
    """Replicas that answer.

    Attributes:
        handle: What requests are put to.
        files: The actor that has their models, which lives as long as somebody holds it.
    """

    handle: DeploymentHandle[Any]
    files: Any


def deploy(
    name: str, options: ServeOptions, paths: Mapping[str, Path], replication: Replication
) -> Deployed:
    """Start replicas in place of those of that name, and return when they answer.

    Args:
        options: The server's.
        paths: The model directories by name, on this machine.

    Raises:
        DeviceError: They do not start (`E_REPLICAS`).
        ModelError: A model directory cannot be read.
    """
    from ray import serve

    keeper = f"{name}-{time.time_ns():x}"
    files = _keep_files(keeper, paths)
    threads = options.threads or 1
    own = replace(options, models=(), api_key="", threads=threads, reload=False)
    deployment: Any = serve.deployment(
        Replica,
        name="clsctl",
        max_ongoing_requests=options.queue,
        ray_actor_options={"num_cpus": threads} | _accelerator(options.device),
        **_scaling(replication),
    )
    try:
        handle: DeploymentHandle[Any] = serve.run(
            deployment.bind(own, keeper), name=name, route_prefix=None
        )
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise DeviceError(f"the replicas do not start: {reason}", code="E_REPLICAS") from None
    return Deployed(handle, files)


def _keep_files(keeper: str, paths: Mapping[str, Path]) -> Any:
    """Put the models into the cluster, and start the actor of that name."""
    import ray
    from clsctl_ray.worker import pack_model
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    files = {name: pack_model(read_model_dir(path)) for name, path in paths.items()}
    actor: Any = ray.remote(ModelFiles)
    # On this machine, without which there is no server either.
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return actor.options(name=keeper, num_cpus=0, scheduling_strategy=here).remote([ray.put(files)])


def _scaling(replication: Replication) -> dict[str, Any]:
    if replication.least == replication.most:
        return {"num_replicas": replication.most}
    bounds = {"min_replicas": replication.least, "max_replicas": replication.most}
    delays = {"upscale_delay_s": MORE_S, "downscale_delay_s": FEWER_S}
    return {"autoscaling_config": {**bounds, **delays, "target_ongoing_requests": ONGOING}}


def _accelerator(device: str | None) -> dict[str, Any]:
    kind = (device or "").partition(":")[0]
    if kind in ("", "auto", "cpu"):
        return {}
    return {"num_gpus": 1} if kind == "gpu" else {"resources": {kind.upper(): 1}}
