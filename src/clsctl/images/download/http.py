"""Fetch images over HTTP and HTTPS, in bounded time and memory, and only from where it is allowed.

`clsctl.images.fetch` imports this module when the first URL comes: httpx takes long to load.
"""

from __future__ import annotations

import base64
import functools
import math
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpcore

from clsctl.errors import NetworkError
from clsctl.http_client import httpx
from clsctl.images.download.network import Network, is_time_up, time_limit
from clsctl.images.image_errors import too_many_bytes
from clsctl.images.streams import CHUNK, MAX_STREAM, join
from clsctl.settings import Settings
from clsctl.urls import printable_url
from clsctl.values import __version__

MAX_REDIRECTS = 10

_REDIRECTS = (301, 302, 303, 307, 308)
_FAILURES = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)
_GZIP_OR_ZLIB = 47
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


def fetch_url(url: str, settings: Settings) -> bytes:
    """Fetch the content of a URL; redirects are followed.

    Raises:
        NetworkError: The URL cannot be one (`E_URL_INVALID`), the server cannot be reached
            (`E_URL_UNREACHABLE`), refuses (`E_URL_STATUS`), takes too long (`E_URL_TIMEOUT`), or
            has an address that is not allowed (`E_URL_PRIVATE`).
        DataError: It is no image (`E_IMAGE_UNSUPPORTED`), or too large (`E_IMAGE_TOO_LARGE`).
    """
    with time_limit(settings.input_timeout or math.inf):
        try:
            return _follow(url, settings)
        except httpcore.TimeoutException:
            raise _too_slow(settings) from None
        except _FAILURES as error:
            raise _unreachable(str(error) or type(error).__name__) from None
        except zlib.error:
            raise _unreachable("what the server compressed is damaged") from None
        except (httpx.InvalidURL, ValueError) as error:  # of which UnicodeError is a kind
            raise NetworkError(f"this is no URL: {error}", code="E_URL_INVALID") from None


def _follow(address: str, settings: Settings) -> bytes:
    # As a byte that is no UTF-8 stands in a path or list, and as servers read it.
    url = httpx.URL(_NOT_UTF8.sub(lambda match: f"%{ord(match[0]) & 0xFF:02X}", address))
    for _ in range(MAX_REDIRECTS + 1):
        if url.scheme not in ("http", "https") or not url.host:
            raise _unreachable(f"{printable_url(str(url))} is not on the web")
        with _pool(_proxy(url, settings), settings.private_hosts).stream(
            "GET",
            httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=_headers(url),
            extensions={"timeout": dict.fromkeys(_WAITS, settings.timeout or None)},
        ) as response:
            headers = {name.lower(): value for name, value in response.headers}
            if response.status not in _REDIRECTS or b"location" not in headers:
                return _content(response, headers, settings)
        url = url.join(headers[b"location"].decode("utf-8"))
    raise _unreachable(f"there are more than {MAX_REDIRECTS} redirects")


_WAITS = ("connect", "read", "write", "pool")


def _headers(url: httpx.URL) -> list[tuple[bytes, bytes]]:
    agent = f"clsctl/{__version__}".encode()
    headers = [(b"Host", url.netloc), (b"User-Agent", agent), (b"Accept-Encoding", b"identity")]
    if url.userinfo:
        user = f"{url.username}:{url.password}".encode()
        headers.append((b"Authorization", b"Basic " + base64.b64encode(user)))
    return headers


def _content(response: httpcore.Response, headers: dict[bytes, bytes], settings: Settings) -> bytes:
    if response.status >= 400:
        reason = response.extensions.get("reason_phrase", b"").decode("ascii", "replace")
        answer = f"{response.status} {reason}".rstrip()
        raise NetworkError(f"the server answered {answer}", code="E_URL_STATUS")
    limit = min(MAX_STREAM, settings.max_download)
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length[:20]) > limit:
        raise too_many_bytes(limit)
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    chunks: Iterable[bytes] = response.iter_stream()
    if encoding in (b"gzip", b"x-gzip", b"deflate"):
        chunks = _inflated(chunks)
    elif encoding not in (b"identity", b""):
        name = encoding.decode("ascii", "replace")
        raise _unreachable(f"the server sends it encoded as {name}, which was not asked for")
    return join(chunks, limit)


def _inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Undo one compression, which some servers apply unasked, a bounded piece at a time."""
    decoder = zlib.decompressobj(wbits=_GZIP_OR_ZLIB)
    for chunk in chunks:
        while chunk:
            yield decoder.decompress(chunk, CHUNK)
            chunk = decoder.unconsumed_tail
    if not decoder.eof:
        raise zlib.error


def _proxy(url: httpx.URL, settings: Settings) -> str | None:
    """The environment's; none where addresses are checked: a proxy looks them up itself."""
    if not settings.private_hosts or proxy_bypass(url.host):
        return None
    proxies = getproxies()
    return proxies.get(url.scheme) or proxies.get("all")


@functools.cache
def _pool(proxy: str | None, private_hosts: bool) -> httpcore.ConnectionPool:
    """One for all threads: it keeps connections open, and takes long to make."""
    options: dict[str, Any] = {
        "ssl_context": httpx.create_ssl_context(),
        "network_backend": Network(private_hosts),
        "max_connections": None,
    }
    if proxy is None:
        return httpcore.ConnectionPool(**options)
    url = httpx.URL(proxy)
    auth = (url.username.encode(), url.password.encode()) if url.userinfo else None
    kind = httpcore.SOCKSProxy if url.scheme.startswith("socks") else httpcore.HTTPProxy
    return kind(str(url.copy_with(username=None, password=None)), proxy_auth=auth, **options)


def _too_slow(settings: Settings) -> NetworkError:
    if is_time_up():
        reason, setting = f"it did not come within {settings.input_timeout} s", "INPUT_TIMEOUT"
    else:
        reason, setting = f"nothing came for {settings.timeout} s", "TIMEOUT"
    return NetworkError(
        f"it cannot be fetched: {reason}",
        code="E_URL_TIMEOUT",
        hint=f"set CLSCTL_{setting} to more seconds to wait longer",
    )


def _unreachable(reason: str) -> NetworkError:
    return NetworkError(f"it cannot be fetched: {reason}", code="E_URL_UNREACHABLE")
