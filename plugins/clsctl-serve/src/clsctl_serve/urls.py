"""Fetch images that a request names by URL, only from hosts that were allowed.

A server that fetches whatever a client names can be made to read what only it can reach. So a host
must be on the list, and each address that its name stands for must be a public one; the connection
then goes to the very address that was checked, since a second look-up might give another. All of
this holds again for every redirect.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from clsctl.errors import ClsctlError, DataError, NetworkError

if TYPE_CHECKING:
    from clsctl.http_client import httpx

REDIRECTS = 3
CHUNK = 1 << 16
AT_ONCE = 16
"""Fetches that are under way at the same time."""


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to the public internet."""
    found = ipaddress.ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None)
    found = mapped or found
    return found.is_global and not found.is_multicast


class Fetcher:
    """Fetches images from allowed hosts.

    Args:
        hosts: `HOST`, `*.DOMAIN` or `HOST:PORT`; without a port, that of the URL's scheme.
        max_bytes: Bytes of one image.
        public: Tells which addresses may be connected to.
    """

    def __init__(
        self, hosts: Sequence[str], max_bytes: int, public: Callable[[str], bool] = is_public
    ) -> None:
        self._hosts = tuple(host.lower() for host in hosts)
        self._max_bytes, self._public = max_bytes, public
        self._places = asyncio.Semaphore(AT_ONCE)
        self._context: ssl.SSLContext | None = None

    async def content(self, image: str, deadline: float) -> bytes | str | ClsctlError:
        """Return what an image's URL gives, or why not; a text that is base64 as it is.

        Args:
            deadline: On `time.monotonic`'s clock.
        """
        if not image[:8].lower().startswith(("http://", "https://")):
            return image
        from clsctl.http_client import httpx

        try:
            async with self._places:
                left = deadline - time.monotonic()
                return await asyncio.wait_for(self._fetch(image), max(0.0, left))
        except ClsctlError as error:
            return error
        except asyncio.TimeoutError:
            return NetworkError("the image's server is too slow", code="E_URL_UNREACHABLE")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
            return NetworkError("the image's server does not answer", code="E_URL_UNREACHABLE")

    async def _fetch(self, text: str) -> bytes:
        from clsctl.http_client import httpx

        url = httpx.URL(text)
        async with self._client() as client:
            for _ in range(REDIRECTS + 1):
                address = await self._address(url)
                request = client.build_request(
                    "GET",
                    url.copy_with(host=address),
                    headers={"Host": url.netloc.decode("ascii")},
                    extensions={"sni_hostname": url.host},
                )
                response = await client.send(request, stream=True)
                try:
                    if response.has_redirect_location:
                        url = url.join(response.headers["Location"])
                        continue
                    return await self._read(response)
                finally:
                    await response.aclose()
        raise NetworkError("the image's URL redirects too often", code="E_URL_UNREACHABLE")

    async def _address(self, url: httpx.URL) -> str:
        """Find an address of the URL's host that may be connected to."""
        default = {"http": 80, "https": 443}.get(url.scheme)
        if (
            default is None
            or url.userinfo
            or not self._allows(url.host, url.port or default, default)
        ):
            raise _forbidden()
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(url.host, url.port or default, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        if not addresses or not all(map(self._public, addresses)):
            raise _forbidden()
        return addresses[0]

    def _allows(self, host: str, port: int, default: int) -> bool:
        names = (f"{host}:{port}", host) if port == default else (f"{host}:{port}",)
        return any(fnmatchcase(name.lower(), host) for name in names for host in self._hosts)

    async def _read(self, response: httpx.Response) -> bytes:
        if response.is_error:
            reason = f"the image's server answered {response.status_code}"
            raise NetworkError(reason, code="E_URL_STATUS")
        parts, size = [], 0
        async for chunk in response.aiter_raw(CHUNK):
            size += len(chunk)
            if size > self._max_bytes:
                reason = f"the image has more than {self._max_bytes:,} bytes"
                raise DataError(reason, code="E_IMAGE_TOO_LARGE")
            parts.append(chunk)
        return b"".join(parts)

    def _client(self) -> httpx.AsyncClient:
        """Make a client without proxies, and without connections that a later fetch might share."""
        from clsctl.http_client import httpx

        if self._context is None:
            self._context = httpx.create_ssl_context()
        return httpx.AsyncClient(
            trust_env=False,
            verify=self._context,
            headers={"Accept-Encoding": "identity", "User-Agent": "clsctl-serve"},
            limits=httpx.Limits(max_keepalive_connections=0),
        )


def _forbidden() -> NetworkError:
    return NetworkError(
        "images are not fetched from this URL",
        code="E_URL_FORBIDDEN",
        hint="send the image itself, or have the server started with --allow-urls HOST",
    )
