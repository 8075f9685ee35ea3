"""Serve on a Ray cluster: this process takes the requests, replicas of the app answer them.

Ray Serve keeps the replicas, on whichever node has room, starts others in place of lost ones, and
gives a request to the one that has least to do. A request whose replica or node is lost before it
answered goes to another one: to classify an image twice does no harm.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import FastAPI, Request, Response

from clsctl.errors import ClsctlError, DeviceError, UsageError
from clsctl.installation import install_hint, install_plugin_hint
from clsctl.models.directory import read_model_dir
from clsctl_serve.app import add_errors, add_operations, create_app
from clsctl_serve.gate import REQUEST_ID, Gate
from clsctl_serve.options import ServeOptions
from clsctl_serve.refusal import overloaded, too_late
from clsctl_serve.service import Service, find_slots

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle

    from clsctl.http_client import httpx

    Files = Mapping[str, bytes]

log = logging.getLogger("clsctl_serve")

ONGOING = 2
"""Requests that each replica should have: one that it works on, and the next."""

ATTEMPTS = 3
"""A replica that takes this part of a request's time is taken for lost, and another one is asked:
it can last half a minute until Ray knows of a node that it is gone."""

AGAIN_S = 0.05
"""Before a request that lost its replica is put to another one."""


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


class Asked(NamedTuple):
    """A request as it travels to a replica."""

    method: str
    target: str
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class Answer(NamedTuple):
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
        """What answers, in a few words."""
        return self._service.summary()

    async def answer(self, asked: Asked) -> Answer:
        """Answer a request as the app would over HTTP."""
        found = await self._client.request(
            asked.method, asked.target, headers=list(asked.headers), content=asked.body
        )
        return Answer(found.status_code, found.headers.raw, found.content)


class ModelFiles:
    """An actor that knows where the models are, for replicas that are started later.

    Args:
        references: One, to the files of each model by its name; in a list, so that Ray does not
            resolve it.
    """

    def __init__(self, references: Sequence[Any]) -> None:
        self._references = references

    def get(self) -> Sequence[Any]:
        """The same reference."""
        return self._references


@dataclass
class Front(Service):
    """What the process in front holds: no model, but the way to the replicas."""

    replication: Replication = Replication()

    def __post_init__(self) -> None:
        super().__post_init__()
        self._cluster = ExitStack()
        self._name = f"clsctl-{os.getpid()}-{time.time_ns():x}"
        self._handle: DeploymentHandle[Any] | None = None
        self._under_way = 0
        self._summary = ""

    async def start(self) -> None:
        """Join the cluster, and wait until the replicas answer.

        Raises:
            DeviceError: There is no cluster (`E_RAY_ADDRESS`), Ray Serve is not installed
                (`E_EXTRA_MISSING`), or the replicas do not start (`E_REPLICAS`).
        """
        await asyncio.to_thread(self._join)
        await self._replace()
        self.loading = False

    async def reload(self) -> None:
        """Start replicas with the models as they are now, then end those before them."""
        try:
            await self._replace()
        except ClsctlError as error:
            log.error("models not replaced", extra={"reason": error.message})

    async def _replace(self) -> None:
        async with self._reloading:
            self.slots = await asyncio.to_thread(find_slots, self.options)
            if all(slot.error for slot in self.slots.values()):
                raise next(slot.error for slot in self.slots.values() if slot.error)
            handle = await asyncio.to_thread(self._deploy)
            self._summary = await handle.summary.remote()
            self._handle = handle

    async def stop(self) -> None:
        """End the replicas, and leave the cluster."""
        self.draining = True
        await asyncio.to_thread(self._cluster.close)

    def summary(self) -> str:
        most = self.replication.most
        return f"{self._summary}, in up to {most} {'replica' if most == 1 else 'replicas'},"

    def readiness(self) -> tuple[bool, dict[str, str]]:
        ready = self._handle is not None and not self.draining
        return ready, {
            name: slot.error.code if slot.error else "ready" if ready else "loading"
            for name, slot in self.slots.items()
        }

    async def forward(self, request: Request) -> Response:
        """Let a replica answer.

        Raises:
            Refusal: Too many are under way (503), or none answers in time (504).
        """
        if self._handle is None or self._under_way >= self.options.queue:
            raise overloaded(1)
        deadline, url = self.deadline(), request.url
        length = request.headers.get("content-length")
        self._under_way += 1
        try:
            async with self.bodies.body(request.receive, length) as body:
                target = f"{url.path}?{url.query}" if url.query else url.path
                asked = Asked(request.method, target, request.headers.raw, body)
                answer = await asyncio.wait_for(self._ask(asked), deadline - time.monotonic())
        except asyncio.TimeoutError:
            raise too_late(self.options.timeout) from None
        finally:
            self._under_way -= 1
        response = Response(answer.body, answer.status)
        response.raw_headers = [pair for pair in answer.headers if pair[0] != REQUEST_ID]
        return response

    async def _ask(self, asked: Asked) -> Answer:
        from ray.exceptions import RayError, RayTaskError
        from ray.serve.exceptions import DeploymentUnavailableError, ReplicaUnavailableError

        attempt_s = self.options.timeout / ATTEMPTS
        while True:
            assert self._handle is not None
            attempt = asyncio.wait_for(self._handle.answer.remote(asked), attempt_s)
            try:
                answer: Answer = await attempt
            except RayTaskError:
                raise
            except (RayError, ReplicaUnavailableError, DeploymentUnavailableError):
                await asyncio.sleep(AGAIN_S)
            except asyncio.TimeoutError:
                continue
            else:
                return answer

    def _join(self) -> None:
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
        self._cluster.enter_context(connect(self.replication.address))
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        serve.start(proxy_location="Disabled")
        self._cluster.callback(serve.delete, self._name)

    def _deploy(self) -> DeploymentHandle[Any]:
        import ray
        from clsctl_ray.worker import pack_model
        from ray import serve
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        files = {
            name: pack_model(read_model_dir(slot.path))
            for name, slot in self.slots.items()
            if slot.path is not None
        }
        keeper = f"{self._name}-{time.time_ns():x}"
        actor: Any = ray.remote(ModelFiles)
        # On this machine, without which there is no server either.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._files = actor.options(name=keeper, num_cpus=0, scheduling_strategy=here).remote(
            [ray.put(files)]
        )
        threads = self.options.threads or 1
        own = replace(self.options, models=(), api_key="", threads=threads, reload=False)
        deployment: Any = serve.deployment(
            Replica,
            name="clsctl",
            max_ongoing_requests=self.options.queue,
            ray_actor_options={"num_cpus": threads} | _accelerator(self.options.device),
            **_scaling(self.replication),
        )
        try:
            handle: DeploymentHandle[Any] = serve.run(
                deployment.bind(own, keeper), name=self._name, route_prefix=None
            )
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise DeviceError(f"the replicas do not start: {reason}", code="E_REPLICAS") from None
        return handle


def create_front(options: ServeOptions, replication: Replication) -> FastAPI:
    """The app in front: it knows probes, figures and bounds, and forwards everything else."""
    service = Front(options, replication=replication)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.service = service
    add_operations(app, service)
    app.add_api_route("/{path:path}", service.forward, methods=["GET", "POST"])
    add_errors(app)
    app.add_middleware(Gate, service=service)
    return app


def _scaling(replication: Replication) -> dict[str, Any]:
    if replication.least == replication.most:
        return {"num_replicas": replication.most}
    bounds = {"min_replicas": replication.least, "max_replicas": replication.most}
    return {"autoscaling_config": {**bounds, "target_ongoing_requests": ONGOING}}


def _accelerator(device: str | None) -> dict[str, Any]:
    kind = (device or "").partition(":")[0]
    if kind in ("", "auto", "cpu"):
        return {}
    return {"num_gpus": 1} if kind == "gpu" else {"resources": {kind.upper(): 1}}
