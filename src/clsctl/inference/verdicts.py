"""Remember that a model has no compiled form, so that nobody waits again for what cannot work.

A verdict lies in the place of the compiled model and holds as long as the versions of all that took
part. One that is damaged, or does not say why, is none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from clsctl.installation import version_of
from clsctl.schema.constraints import Length
from clsctl.schema.documents import read_document
from clsctl.schema.errors import SchemaError
from clsctl.system.files import atomic_replace
from clsctl.values import __version__


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why there is no compiled form, and by which versions of what, by the names of packages."""

    reason: Annotated[str, Length(1)]
    versions: Mapping[str, str]


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """The versions of clsctl and of packages; empty for one that is not installed."""
    return {"clsctl": __version__} | {name: version_of(name) for name in packages}


def read_verdict(target: Path, versions: Mapping[str, str]) -> str:
    """The reason why nothing lies at `target`; empty where these versions did not find any."""
    try:
        verdict = read_document(Verdict, _path(target))
    except SchemaError:
        return ""
    return verdict.reason if dict(verdict.versions) == dict(versions) else ""


def write_verdict(target: Path, reason: str, versions: Mapping[str, str]) -> None:
    with atomic_replace(_path(target)) as part:
        part.write_text(json.dumps(asdict(Verdict(reason, versions)), indent=1), encoding="utf-8")


def _path(target: Path) -> Path:
    return target.with_name(f"{target.name}.verdict.json")
