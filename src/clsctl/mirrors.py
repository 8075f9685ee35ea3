"""Where an artifact may come from: mirrors first, then its own URL, each through its source.

A mirror is a URL or a folder with the published files directly below it, under the names that end
their URLs: `https://mirror.example/models` has `.../models/PP-LCNet_x1_0_infer.tar`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from clsctl.errors import ClsctlError, UsageError
from clsctl.plugins import default_registry
from clsctl.types import WeightSource


def candidates(url: str, mirrors: Iterable[str]) -> list[str]:
    """The URLs to try, in order.

    Mirrors stand in for web servers; an artifact of any other scheme has a source of its own.
    """
    if not url.startswith(("http:", "https:")):
        return [url]
    file_name = re.split(r"[?#]", url)[0].rpartition("/")[2]
    return list(dict.fromkeys([*(f"{_as_url(mirror)}/{file_name}" for mirror in mirrors), url]))


def weight_source(url: str) -> WeightSource:
    """The plugin that serves a URL's scheme.

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
        f"no plugin fetches '{scheme}' URLs such as {public(url)}",
        code="E_SCHEME_UNKNOWN",
        hint=f"known schemes: {', '.join(known)}",
    )


def public(url: str) -> str:
    """The URL without user name and password, fit for messages and records."""
    return re.sub(r"//[^/@]*@", "//", url)


def all_failed(name: str, failures: Mapping[str, ClsctlError]) -> ClsctlError:
    """One error that reports every attempt; code and hint are those of the last one."""
    last = list(failures.values())[-1]
    reasons = "; ".join(f"{public(url)}: {error.message}" for url, error in failures.items())
    return type(last)(f"cannot pull {name}: {reasons}", code=last.code, hint=last.hint)


def _as_url(mirror: str) -> str:
    if "://" in mirror:
        return mirror.rstrip("/")
    return Path(mirror).expanduser().absolute().as_uri()
