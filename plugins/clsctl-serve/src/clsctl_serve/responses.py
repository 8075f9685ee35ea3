"""Answer in JSON, and refuse in the words of each protocol."""

from __future__ import annotations

import json
import logging
from typing import Any

from fastapi import Response
from starlette.types import Receive, Scope, Send

from clsctl.errors import ClsctlError
from clsctl_serve.limits import drain
from clsctl_serve.refusal import Refusal

log = logging.getLogger("clsctl_serve")

PADDLEX_PATHS = ("/image-classification", "/health")


def json_response(status: int, content: Any, headers: dict[str, str] | None = None) -> Response:
    """Answer with plain values as JSON, in UTF-8."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode(), status, headers, "application/json")


def refused(path: str, refusal: Refusal, log_id: str) -> Response:
    """Answer with a refusal, in the words of the protocol that the client speaks.

    Args:
        path: Of the request, which tells the protocol.
        log_id: What PaddleX's protocol calls the request.
    """
    content: dict[str, Any] = {"error": refusal.as_dict()}
    if path in PADDLEX_PATHS:
        content = {"logId": log_id, "errorCode": refusal.status, "errorMsg": refusal.message}
    kind = _Unread if refusal.headers.get("Connection") else Response
    text = json.dumps(content, ensure_ascii=False)
    return kind(text.encode(), refusal.status, refusal.headers, "application/json")


def as_refusal(error: Exception) -> Refusal:
    """Return the refusal that stands for an error, and log what is the server's fault.

    What a model's error says may hold a path of this machine, so that only its code is passed on.
    """
    if isinstance(error, Refusal):
        return error
    code = error.code if isinstance(error, ClsctlError) else "E_INTERNAL"
    log.error("request failed", exc_info=error, extra={"code": code})
    return Refusal(500, code, "the server could not classify this; its log says why")


class _Unread(Response):
    """An answer given before the whole body came; the rest is read and forgotten for a moment.

    A connection that is closed while the client still sends is reset, and its answer lost.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = {"type": "http.response.start", "status": self.status_code}
        await send({**head, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        await drain(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
