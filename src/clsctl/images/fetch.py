"""Read the bytes of an image from a file, a stream or a web server, and never too many of them."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from clsctl.errors import DataError, NetworkError
from clsctl.images.headers import format_of
from clsctl.images.image_errors import unsupported

if TYPE_CHECKING:
    import httpx

    from clsctl.settings import Settings

MAX_BYTES = 1 << 30
"""An encoded image or document of more than 1 GiB is refused, wherever it comes from."""

CHUNK = 1 << 20


def read_file(path: Path) -> bytes:
    """Read a file.

    Raises:
        DataError: It is missing (`E_INPUT_MISSING`), cannot be read (`E_INPUT_UNREADABLE`), is no
            image (`E_IMAGE_UNSUPPORTED`) or above `MAX_BYTES` (`E_IMAGE_TOO_LARGE`).
    """
    try:
        with path.open("rb") as stream:
            _check_bytes(os.fstat(stream.fileno()).st_size, MAX_BYTES)
            return read_all(stream)
    except (OSError, ValueError) as error:
        raise unreadable(error) from None


def download(url: str, settings: Settings) -> bytes:
    """Download an http(s) URL, following redirects.

    Raises:
        NetworkError: The server cannot be reached (`E_URL_UNREACHABLE`), refuses
            (`E_URL_STATUS`), or must not be asked (`E_OFFLINE`).
        DataError: As for `read_file`.
    """
    if settings.offline:
        raise NetworkError(
            "the image is on the network, and clsctl is offline",
            code="E_OFFLINE",
            hint="leave out --offline and unset CLSCTL_OFFLINE, or pass a local copy",
        )
    import httpx

    try:
        with _client(settings.timeout).stream("GET", url) as response:
            if response.is_error:
                status = f"{response.status_code} {response.reason_phrase}".rstrip()
                raise NetworkError(f"the server answered {status}", code="E_URL_STATUS")
            limit = min(MAX_BYTES, settings.max_download)
            return _join(response.iter_bytes(CHUNK), limit)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise NetworkError(f"it cannot be fetched: {reason}", code="E_URL_UNREACHABLE") from None


def read_all(stream: IO[bytes], head: bytes = b"") -> bytes:
    """Read the rest of a stream, after what was read already; raises as `read_file` does."""
    rest = iter(lambda: stream.read(CHUNK), b"")
    return _join(itertools.chain([head], rest) if head else rest)


def unreadable(error: Exception) -> DataError:
    """Return the error for a file or folder that the system does not let us read."""
    if isinstance(error, FileNotFoundError):
        return DataError(
            "there is no such file",
            code="E_INPUT_MISSING",
            hint="check the spelling; a relative path starts at the folder you are in",
        )
    reason = getattr(error, "strerror", None) or str(error)
    return DataError(f"it cannot be read: {reason.lower()}", code="E_INPUT_UNREADABLE")


def _join(chunks: Iterable[bytes], limit: int = MAX_BYTES) -> bytes:
    """Join the chunks, unless the first one is no image or they are too many."""
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        if not parts and format_of(chunk) is None:
            raise unsupported()
        size += len(chunk)
        _check_bytes(size, limit)
        parts.append(chunk)
    return b"".join(parts)


def _check_bytes(size: int, limit: int) -> None:
    if size > limit:
        reason = f"it has more bytes than the limit of {limit:,}"
        raise DataError(reason, code="E_IMAGE_TOO_LARGE")


@functools.cache
def _client(timeout: int) -> httpx.Client:
    """Return the client of all threads: it keeps connections open, and takes long to make."""
    import httpx

    from clsctl.values import __version__

    agent = {"User-Agent": f"clsctl/{__version__}"}
    return httpx.Client(timeout=timeout or None, follow_redirects=True, headers=agent)
