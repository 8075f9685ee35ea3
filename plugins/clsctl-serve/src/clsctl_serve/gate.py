"""Check every request's API key, number it, log it, and count it."""

from __future__ import annotations

import hmac
import itertools
import logging
import os
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clsctl_serve.base import BaseService
from clsctl_serve.limits import ClientGone
from clsctl_serve.refusal import Refusal
from clsctl_serve.responses import as_refusal, refused

log = logging.getLogger("clsctl_serve.access")

OPEN = frozenset({"/", "/docs", "/openapi.json", "/livez", "/readyz", "/health"})
"""Paths that need no key: they tell nothing that depends on the models."""

REQUEST_ID = b"x-request-id"
"""The header that holds a request's number in the log."""

GONE = 499
"""The status in log and figures where the client left before its answer."""


class Gate:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, service: BaseService) -> None:
        self._app, self._service = app, service
        self._key = service.options.api_key.encode()
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        number = f"{os.getpid():x}-{next(self._numbers):x}"
        status = GONE

        async def numbered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((REQUEST_ID, number.encode()))
            await send(message)

        try:
            if self._admits(scope):
                await self._app(scope, receive, numbered)
            else:
                key = Refusal(401, "E_API_KEY", "this server wants an API key", _KEY_HINT)
                await refused(scope["path"], key, number)(scope, receive, numbered)
        except ClientGone:
            pass
        except Exception as error:  # noqa: BLE001 - the last place before the server's own 500
            if status == GONE:
                await refused(scope["path"], as_refusal(error), number)(scope, receive, numbered)
        finally:
            self._note(scope, number, status, time.perf_counter() - begun)

    def _admits(self, scope: Scope) -> bool:
        if not self._key or scope["path"] in OPEN:
            return True
        headers = dict(scope["headers"])
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        given = token.strip() if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")
        return hmac.compare_digest(given, self._key)

    def _note(self, scope: Scope, number: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        self._service.metrics.observe_request(route, status, seconds)
        client = scope.get("client")
        log.info(
            "request",
            extra={
                "id": number,
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "ms": round(1000 * seconds, 1),
                "client": client[0] if client else "",
            },
        )


_KEY_HINT = "send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`"
