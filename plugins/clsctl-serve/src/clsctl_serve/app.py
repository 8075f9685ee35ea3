"""Build the ASGI app: both protocols, the page, the probes and the figures."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import resources
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from clsctl_serve.base import BaseService
from clsctl_serve.gate import Gate
from clsctl_serve.metrics import CONTENT_TYPE
from clsctl_serve.options import ServeOptions
from clsctl_serve.protocol_paddlex import paddlex_routes
from clsctl_serve.protocol_v1 import v1_routes
from clsctl_serve.refusal import Refusal, bad_request
from clsctl_serve.responses import json_response, refused
from clsctl_serve.service import Service

DESCRIPTION = "Image classification by clsctl. Every error has a stable code."


def create_app(options: ServeOptions | None = None, **changes: Any) -> FastAPI:
    """Make the app, for a server of your own; it loads its models when its lifespan begins.

    Args:
        options: What to serve and within which bounds.
        changes: Fields of ServeOptions, such as `models=("PP-LCNet_x1_0",)`, in place of those of
            `options`.

    Raises:
        ClsctlError: When the lifespan begins and not one model can be loaded.
    """
    service = Service(replace(options or ServeOptions(), **changes))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    app = FastAPI(
        title="clsctl serve", description=DESCRIPTION, lifespan=lifespan, docs_url=None,
        redoc_url=None,
    )  # fmt: skip
    app.state.service = service
    app.include_router(paddlex_routes(service))
    app.include_router(v1_routes(service))
    add_operations(app, service)
    _add_pages(app)
    add_errors(app)
    app.add_middleware(Gate, service=service)
    return app


def add_operations(app: FastAPI, service: BaseService) -> None:
    """Add the probes and the figures."""

    @app.get("/livez", tags=["Operations"], summary="Whether the process answers")
    async def livez() -> Response:
        return json_response(200, {"status": "alive"})

    @app.get("/readyz", tags=["Operations"], summary="Whether models answer, and which do not")
    async def readyz() -> Response:
        ready, states = service.readiness()
        return json_response(200 if ready else 503, {"ready": ready, "models": states})

    @app.get("/metrics", tags=["Operations"], summary="Figures for Prometheus")
    async def metrics() -> Response:
        return Response(service.metrics.expose(), headers={"Content-Type": CONTENT_TYPE})


def _add_pages(app: FastAPI) -> None:
    for path, name in (("/", "page.html"), ("/docs", "docs.html")):
        app.add_api_route(path, functools.partial(_page, name), include_in_schema=False)


async def _page(name: str) -> Response:
    content, policy = _content(name)
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return Response(content, headers=headers, media_type="text/html")


@functools.cache
def _content(name: str) -> tuple[bytes, str]:
    """Return a page, and the policy that lets its own script and style run and no other."""
    text = (resources.files("clsctl_serve") / name).read_text(encoding="utf-8")
    policy = ["default-src 'none'", "connect-src 'self'", "img-src blob: data:"]
    policy += ["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]
    for tag in ("script", "style"):
        parts = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        policy.append(f"{tag}-src {' '.join(map(_hash, parts))}")
    return text.encode(), "; ".join(policy)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def add_errors(app: FastAPI) -> None:
    """Answer what goes wrong in the words of the protocol."""

    @app.exception_handler(Refusal)
    async def refuse(request: Request, error: Refusal) -> Response:
        return refused(request.url.path, error, "")

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(key) for key in first["loc"][1:])
        return refused(request.url.path, bad_request(f"{place}: {first['msg']}"), "")

    @app.exception_handler(HTTPException)
    async def failed(request: Request, error: HTTPException) -> Response:
        code = {404: "E_PATH_UNKNOWN", 405: "E_METHOD"}.get(error.status_code, "E_REQUEST")
        hint = "/docs lists what there is"
        refusal = Refusal(error.status_code, code, str(error.detail), hint)
        response = refused(request.url.path, refusal, "")
        response.headers.update(error.headers or {})
        return response
