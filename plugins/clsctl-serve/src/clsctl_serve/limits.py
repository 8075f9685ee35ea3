"""Read the body of a request within bounds of size, time and memory."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from clsctl_serve.refusal import Refusal, overloaded

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

BODIES = 16
"""So many bodies of the largest size may be in memory at the same time."""


class ClientGone(Exception):
    """The client closed the connection, so that nobody reads an answer."""


class BodyReader:
    """Reads bodies, and knows how many bytes of them are in memory.

    Args:
        max_body: Bytes of one body.
        timeout: Seconds that a body may take to arrive.
    """

    def __init__(self, max_body: int, timeout: float) -> None:
        self._max_body, self._timeout = max_body, timeout
        self._room = BODIES * max_body

    @asynccontextmanager
    async def body(self, receive: Receive, length: str | None) -> AsyncIterator[bytes]:
        """Yield the body; the memory that it takes is set free with the block.

        Args:
            receive: As ASGI has it.
            length: The request's Content-Length; None where it has none.

        Raises:
            Refusal: It is too large (`E_BODY_TOO_LARGE`), too slow (`E_BODY_TIMEOUT`), or there is
                no memory for it now (`E_OVERLOADED`).
            ClientGone: The client went away.
        """
        if length and length.isdecimal() and int(length) > self._max_body:
            raise self._too_large()
        taken = 0

        async def read() -> bytes:
            nonlocal taken
            parts: list[bytes] = []
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                part = message.get("body", b"")
                more = message.get("more_body", False)
                taken += len(part)
                self._room -= len(part)
                if taken > self._max_body:
                    raise self._too_large()
                if self._room < 0:
                    raise overloaded(1)
                parts.append(part)
            return parts[0] if len(parts) == 1 else b"".join(parts)

        try:
            yield await self._in_time(read())
        finally:
            self._room += taken

    async def _in_time(self, reading: Any) -> bytes:
        try:
            body: bytes = await asyncio.wait_for(reading, self._timeout)
        except asyncio.TimeoutError:
            reason = f"the body did not arrive within {self._timeout:g} seconds"
            raise Refusal(408, "E_BODY_TIMEOUT", reason) from None
        return body

    def _too_large(self) -> Refusal:
        return Refusal(
            413, "E_BODY_TOO_LARGE", f"the body has more than {self._max_body:,} bytes",
            "send fewer images in one request, or smaller ones",
        )  # fmt: skip


async def drain(receive: Receive, seconds: float = 1.0) -> None:
    """Read and forget what a client still sends, so that it comes to read its answer."""
    deadline = time.monotonic() + seconds
    with contextlib.suppress(asyncio.TimeoutError):
        while (left := deadline - time.monotonic()) > 0:
            message = await asyncio.wait_for(receive(), left)
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                return
