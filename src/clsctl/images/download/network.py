"""Open connections that keep to a deadline, and where asked to, to public addresses only.

`clsctl.images.download.http` imports this module when the first URL comes: httpcore takes long to
load.
"""

from __future__ import annotations

import ipaddress
import math
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

import httpcore

from clsctl.errors import NetworkError

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# IPv6 networks whose addresses contain one of IPv4, and how far it is shifted (RFC 6052, RFC 3056).
_CONTAINERS = ((ipaddress.IPv6Network("64:ff9b::/96"), 0), (ipaddress.IPv6Network("2002::/16"), 80))

_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)
"""When the request of this thread is to be over; another thread may use its connection next."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Let every wait for a server end in httpcore.TimeoutException after that many seconds."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def is_time_up() -> bool:
    """Tell whether the limit has passed."""
    return time.monotonic() >= _deadline.get()


class Network(httpcore.NetworkBackend):
    """Connections over TCP.

    Args:
        private_hosts: Whether private, loopback and link-local addresses may be connected to.
    """

    def __init__(self, private_hosts: bool) -> None:
        self._inner = httpcore.SyncBackend()
        self._private_hosts = private_hosts

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        """Connect to a host; to the very address that was checked, where only some are allowed.

        Raises:
            NetworkError: The host has an address that is not public (`E_URL_PRIVATE`).
        """
        address = host if self._private_hosts else _public_address(host, port)
        timeout = _time_left(timeout)
        return _Stream(
            self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
        )


class _Stream(httpcore.NetworkStream):
    """A connection of which every step ends at the deadline at the latest."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _time_left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _time_left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, _time_left(timeout))
        return _Stream(inner)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _time_left(timeout: float | None) -> float | None:
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout
    limit = min(left, timeout or math.inf)
    return None if limit == math.inf else limit


def _public_address(host: str, port: int) -> str:
    """All of them must be public: which one a system takes is not to be relied on."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(error.strerror or str(error)) from None
    addresses = [str(address) for *_, (address, *_) in found]
    for address in addresses:
        if not is_public(ipaddress.ip_address(address)):
            raise NetworkError(
                f"it cannot be fetched: {host} has the address {address}, which is not public",
                code="E_URL_PRIVATE",
                hint="leave out --no-private-hosts if you trust whoever chose the URL",
            )
    return addresses[0]


def is_public(address: _Address) -> bool:
    """Tell whether an address, or one that is contained in it, belongs to the public network."""
    if isinstance(address, ipaddress.IPv6Address):
        contained = address.ipv4_mapped or next(
            (
                ipaddress.IPv4Address(int(address) >> shift & 0xFFFFFFFF)
                for network, shift in _CONTAINERS
                if address in network
            ),
            None,
        )
        if contained is not None:
            return is_public(contained)
    return address.is_global and not address.is_multicast
