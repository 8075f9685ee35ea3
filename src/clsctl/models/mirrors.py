"""Try the places of an artifact: mirrors first, then its own URL, each through its source.

A mirror is a URL or a folder with the published files directly below it, under the names that end
their URLs: `https://mirror.example/models` has `.../models/PP-LCNet_x1_0_infer.tar`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from clsctl.console.messages import note
from clsctl.errors import ClsctlError, ModelError, NetworkError, UsageError
from clsctl.plugin.descriptors import FetchRequest, WeightSource
from clsctl.plugin.registry import default_registry
from clsctl.urls import printable_url


def candidates(url: str, mirrors: Iterable[str]) -> list[str]:
    """List the URLs to try, in order.

    Mirrors stand in for web servers; an artifact of any other scheme has a source of its own.
    """
    if not url.startswith(("http:", "https:")):
        return [url]
    file_name = re.split(r"[?#]", url)[0].rpartition("/")[2]
    return list(dict.fromkeys([*(f"{_as_url(mirror)}/{file_name}" for mirror in mirrors), url]))


def first_success(
    request: FetchRequest, mirrors: Iterable[str], obtain: Callable[[FetchRequest], Path]
) -> Path:
    """Return what `obtain` does for the first URL that works; each has a work folder of its own.

    Raises:
        ClsctlError: None did; the message reports every attempt.
    """
    failures: dict[str, ClsctlError] = {}
    for url in candidates(request.url, mirrors):
        workdir = request.workdir / sha256(url.encode()).hexdigest()[:12]
        try:
            workdir.mkdir(parents=True, exist_ok=True)
            found = obtain(replace(request, url=url, workdir=workdir))
        except (NetworkError, UsageError) as error:
            failures[url] = error
        except ModelError as error:  # what came is bad, so it must not be continued
            shutil.rmtree(workdir, ignore_errors=True)
            failures[url] = error
        else:
            if failures:
                note(f"{printable_url(url)} was taken, because of {_reasons(failures)}")
            return found
    raise all_failed(request.entry.name, failures)


def weight_source(url: str) -> WeightSource:
    """Find the plugin that serves a URL's scheme.

    Raises:
        UsageError: There is none (`E_SCHEME_UNKNOWN`).
    """
    scheme = url.partition(":")[0].lower()
    sources: list[WeightSource] = list(default_registry().items("weight_sources").values())
    for source in sources:
        if scheme in source.schemes:
            return source
    known = sorted(scheme for source in sources for scheme in source.schemes)
    raise UsageError(
        f"no plugin fetches '{scheme}' URLs such as {printable_url(url)}",
        code="E_SCHEME_UNKNOWN",
        hint=f"known schemes: {', '.join(known)}",
    )


def all_failed(name: str, failures: Mapping[str, ClsctlError]) -> ClsctlError:
    """Make one error that reports every attempt; code and hint are those of the last one."""
    last = list(failures.values())[-1]
    return type(last)(f"cannot pull {name}: {_reasons(failures)}", code=last.code, hint=last.hint)


def _reasons(failures: Mapping[str, ClsctlError]) -> str:
    return "; ".join(f"{printable_url(url)}: {error.message}" for url, error in failures.items())


def _as_url(mirror: str) -> str:
    if "://" in mirror:
        return mirror.rstrip("/")
    return Path(mirror).expanduser().absolute().as_uri()
