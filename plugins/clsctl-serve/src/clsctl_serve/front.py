"""Take requests in front of replicas on a Ray cluster, which answer them.

A request whose replica or node is lost before it answered goes to another one: to classify an image
twice does no harm.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, field

from fastapi import FastAPI, Request, Response

from clsctl.errors import ClsctlError
from clsctl_serve.app import add_errors, add_operations
from clsctl_serve.base import BaseService, find_slots
from clsctl_serve.gate import REQUEST_ID, Gate
from clsctl_serve.options import ServeOptions
from clsctl_serve.refusal import overloaded, too_late
from clsctl_serve.replicas import Deployed, RawRequest, RawResponse, Replication, deploy, ray_serve

log = logging.getLogger("clsctl_serve")

ATTEMPTS = 3
"""A replica that takes this part of a request's time is taken for lost, and another one is asked:
it can last half a minute until Ray knows of a node that it is gone."""

AGAIN_S = 0.05
"""Before a request that lost its replica is put to another one."""


@dataclass
class Front(BaseService):
    """The process in front: it has no model, but the way to the replicas."""

    replication: Replication = field(default_factory=Replication)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._cluster = ExitStack()
        self._name = f"clsctl-{os.getpid()}-{time.time_ns():x}"
        self._replicas: Deployed | None = None
        self._under_way = 0
        self._summary = ""

    async def start(self) -> None:
        """Join the cluster, and wait until the replicas answer.

        Raises:
            DeviceError: There is no cluster (`E_RAY_ADDRESS`), Ray Serve is not installed
                (`E_EXTRA_MISSING`), or the replicas do not start (`E_REPLICAS`).
            ModelError: There is not one model.
        """
        joined = ray_serve(self.replication.address, self._name)
        await asyncio.to_thread(self._cluster.enter_context, joined)
        await self._replace()

    async def reload(self) -> None:
        """Start replicas with the models as they are now, then end those before them."""
        try:
            await self._replace()
        except ClsctlError as error:
            log.error("models not replaced", extra={"reason": error.message})

    async def stop(self) -> None:
        """End the replicas, and leave the cluster."""
        self.draining = True
        await asyncio.to_thread(self._cluster.close)

    def summary(self) -> str:
        most = self.replication.most
        return f"{self._summary}, in up to {most} {'replica' if most == 1 else 'replicas'},"

    def readiness(self) -> tuple[bool, dict[str, str]]:
        ready = self._replicas is not None and not self.draining
        return ready, {
            name: slot.error.code if slot.error else "ready" if ready else "loading"
            for name, slot in self.slots.items()
        }

    async def forward(self, request: Request) -> Response:
        """Let a replica answer.

        Raises:
            Refusal: Too many are under way (503), or none answers in time (504).
        """
        if self._replicas is None or self._under_way >= self.options.queue:
            raise overloaded(1)
        deadline, url = self.deadline(), request.url
        length = request.headers.get("content-length")
        self._under_way += 1
        try:
            async with self.bodies.body(request.receive, length) as body:
                target = f"{url.path}?{url.query}" if url.query else url.path
                asked = RawRequest(request.method, target, request.headers.raw, body)
                answer = await asyncio.wait_for(self._ask(asked), deadline - time.monotonic())
        except asyncio.TimeoutError:
            raise too_late(self.options.timeout) from None
        finally:
            self._under_way -= 1
        response = Response(answer.body, answer.status)
        response.raw_headers = [pair for pair in answer.headers if pair[0] != REQUEST_ID]
        return response

    async def _replace(self) -> None:
        async with self._reloading:
            self.slots = await asyncio.to_thread(find_slots, self.options)
            paths = {name: slot.path for name, slot in self.slots.items() if slot.path is not None}
            if not paths:
                raise next(slot.error for slot in self.slots.values() if slot.error)
            replicas = await asyncio.to_thread(
                deploy, self._name, self.options, paths, self.replication
            )
            self._summary = await replicas.handle.summary.remote()
            self._replicas = replicas

    async def _ask(self, asked: RawRequest) -> RawResponse:
        from ray.exceptions import RayError, RayTaskError
        from ray.serve.exceptions import DeploymentUnavailableError, ReplicaUnavailableError

        attempt_s = self.options.timeout / ATTEMPTS
        while True:
            assert self._replicas is not None
            attempt = asyncio.wait_for(self._replicas.handle.answer.remote(asked), attempt_s)
            try:
                answer: RawResponse = await attempt
            except RayTaskError:
                raise
            except (RayError, ReplicaUnavailableError, DeploymentUnavailableError):
                await asyncio.sleep(AGAIN_S)
            except asyncio.TimeoutError:
                continue
            else:
                return answer


def create_front(options: ServeOptions, replication: Replication) -> FastAPI:
    """Make the app in front: it knows probes, figures and bounds, and forwards everything else."""
    service = Front(options, replication=replication)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.service = service
    add_operations(app, service)
    app.add_api_route("/{path:path}", service.forward, methods=["GET", "POST"])
    add_errors(app)
    app.add_middleware(Gate, service=service)
    return app
