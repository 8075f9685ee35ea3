"""Cut HTTP connections whose client is too slow or sends a head without end.

uvicorn waits for the head of a request for as long as the client likes, and keeps all that comes.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 10.0
"""Seconds that the head of a request may take to arrive."""

HEAD_BYTES = 1 << 16
FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\nContent-Length: 76\r\n\r\n"
    b'{"error":{"code":"E_OVERLOADED","message":"too many connections are open"}}\n'
)


def connection_class(timeout: float, max_connections: int) -> type[HttpToolsProtocol]:
    """Make the class of a server's connections.

    Args:
        timeout: Seconds that a request may take; after twice as many its connection is cut.
        max_connections: Connections that may be open at the same time.
    """
    head_s = min(HEAD_S, timeout)

    class Connection(HttpToolsProtocol):
        """See the module."""

        _timer: asyncio.TimerHandle | None = None
        _in_head = False
        _head_bytes = 0

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > max_connections:
                transport.write(FULL)
                transport.close()
                return
            self._cut_after(head_s)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._in_head:
                self._head_bytes += len(data)
                if self._head_bytes > HEAD_BYTES:
                    self.transport.abort()
            elif self._timer is None and (self.cycle is None or self.cycle.response_complete):
                self._cut_after(head_s)  # something came, and it is no request yet

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._in_head, self._head_bytes = True, 0
            self._cut_after(head_s)

        def on_headers_complete(self) -> None:
            self._in_head = False
            self._cut_after(2 * timeout + head_s)
            super().on_headers_complete()

        def on_response_complete(self) -> None:
            self._clear()
            super().on_response_complete()
            if self.transport.get_write_buffer_size():
                self._cut_after(head_s)  # the client does not read its answer

        def connection_lost(self, exc: Exception | None) -> None:
            self._clear()
            super().connection_lost(exc)

        def _cut_after(self, seconds: float) -> None:
            self._clear()
            self._timer = self.loop.call_later(seconds, self._cut)

        def _cut(self) -> None:
            self._timer = None
            self.transport.abort()

        def _clear(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return Connection
