"""Get the bytes of an image from a file or a web server, and never too many of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.errors import DataError, NetworkError
from clsctl.images.formats import HEAD, format_of
from clsctl.images.image_errors import too_many_bytes, unsupported
from clsctl.paths import open_regular

if TYPE_CHECKING:
    from clsctl.settings import Settings

MAX_BYTES = 1 << 30
"""A file of more than 1 GiB is refused."""


def read_file(path: Path) -> bytes:
    """Read the content of a regular file.

    Raises:
        DataError: It is missing (`E_INPUT_MISSING`), cannot be read (`E_INPUT_UNREADABLE`), is no
            image (`E_IMAGE_UNSUPPORTED`) or above `MAX_BYTES` (`E_IMAGE_TOO_LARGE`).
    """
    try:
        # Without a buffer, memory for exactly the file's size is taken once.
        with open_regular(path, buffering=0) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > MAX_BYTES:
                raise too_many_bytes(MAX_BYTES)
            head = os.pread(stream.fileno(), HEAD, 0)
            if head and format_of(head) is None:
                raise unsupported()
            return stream.read(size) or b""
    except (OSError, ValueError) as error:
        raise unreadable(error) from None


def download(url: str, settings: Settings) -> bytes:
    """Fetch the content of an http(s) URL; see `clsctl.images.download.http.fetch_url`.

    Raises:
        NetworkError: It cannot be fetched, or must not be (`E_OFFLINE`).
        DataError: As for `read_file`.
    """
    if settings.offline:
        raise NetworkError(
            "the image is on the network, and clsctl is offline",
            code="E_OFFLINE",
            hint="leave out --offline and unset CLSCTL_OFFLINE, or pass a local copy",
        )
    from clsctl.images.download.http import fetch_url

    return fetch_url(url, settings)


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
