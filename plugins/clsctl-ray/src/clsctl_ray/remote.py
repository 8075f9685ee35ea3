"""Find and fetch inputs in object stores and on other file systems, by URL, through fsspec."""

from __future__ import annotations

import glob
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from clsctl.errors import ClsctlError, DataError, NetworkError, UsageError
from clsctl.images.fetch import unreadable
from clsctl.images.formats import SUFFIXES
from clsctl.images.sources import Source, iter_sources
from clsctl.images.streams import read_all
from clsctl.installation import install_hint
from clsctl.system.threads import ordered_map

if TYPE_CHECKING:
    from clsctl.settings import Settings

THREADS = 8
"""Objects that a worker fetches at the same time: an object store answers late, but serves many."""

_URL = re.compile(r"(?!https?:)[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def is_remote(item: object) -> bool:
    """Return whether it is a URL that clsctl itself does not read."""
    return isinstance(item, str) and _URL.match(item) is not None


def find_sources(inputs: Iterable[object], settings: Settings) -> Iterator[Source]:
    """Find inputs as `clsctl.images.sources.iter_sources` does, and below URLs such as `s3://b/c`.

    Yields:
        Sources that can be read on any machine with the same file systems: a path is absolute, and
        the content of a remote source is its URL.
    """
    for source in iter_sources(inputs):
        if is_remote(source.name):
            yield from _below(source.name, settings)
        elif isinstance(source.content, Path):
            yield replace(source, content=source.content.absolute())
        else:
            yield source


def fetch_remote(sources: Iterable[Source], settings: Settings) -> Iterator[Source]:
    """Yield the sources in the same order, remote ones with their bytes, or why there are none."""

    def fetch(source: Source) -> Source:
        if not is_remote(source.content):
            return source
        return replace(source, content=_fetch(source.name, settings))

    with ordered_map(fetch, sources, THREADS) as results:
        yield from results


def _below(url: str, settings: Settings) -> Iterator[Source]:
    """Yield the images at a URL, in the order in which a local folder gives them.

    An image's own URL costs no request here. Where nothing is found, the URL itself is yielded: the
    attempt to fetch it will tell why.
    """
    if _is_image(url) and not glob.has_magic(url):
        yield Source(url, url)
        return
    try:
        system, path = _file_system(url, settings)
        found = [system.unstrip_protocol(name) for name in _names(system, path)]
    except Exception:  # noqa: BLE001 - every file system has exceptions of its own
        found = []
    for name in found or [url]:
        yield Source(name, name)


def _names(system: Any, path: str) -> list[str]:
    if glob.has_magic(path):
        found = system.glob(path, detail=True)
        return sorted(name for name, facts in found.items() if facts["type"] == "file")
    return sorted(filter(_is_image, system.find(path))) if system.isdir(path) else []


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def _fetch(url: str, settings: Settings) -> bytes | ClsctlError:
    """Fetch an object in one request, because it is requests that an object store charges for."""
    try:
        system, path = _file_system(url, settings)
        return read_all(io.BytesIO(system.cat_file(path)))
    except ClsctlError as error:
        return error
    except Exception as error:  # noqa: BLE001 - every file system has exceptions of its own
        return _reason(error)


def _file_system(url: str, settings: Settings) -> tuple[Any, str]:
    """Return the file system, of which fsspec keeps one for all threads, and the path in it."""
    from fsspec.core import url_to_fs

    scheme = url.partition(":")[0]
    if settings.offline and scheme != "file":
        raise NetworkError(
            f"{scheme}:// is on the network, and clsctl is offline",
            code="E_OFFLINE",
            hint="leave out --offline and unset CLSCTL_OFFLINE, or pass a local copy",
        )
    try:
        return url_to_fs(url)  # type: ignore[no-any-return]
    except ImportError as error:
        raise DataError(
            f"{scheme}:// needs a package that is not installed: {error}",
            code="E_EXTRA_MISSING",
            hint=f"add it on every node of the cluster, such as `{install_hint('s3fs')}` for s3://",
        ) from None
    except ValueError:
        raise UsageError(
            f"no file system has the scheme {scheme}://", code="E_SCHEME_UNKNOWN"
        ) from None


def _reason(error: Exception) -> ClsctlError:
    if isinstance(error, OSError):
        return unreadable(error)
    reason = " ".join(str(error).split()) or type(error).__name__
    return NetworkError(f"it cannot be fetched: {reason}", code="E_URL_UNREACHABLE")
