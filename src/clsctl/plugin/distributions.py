"""What is installed beside clsctl: for plugins that come and go, and what must stay as it is."""

from __future__ import annotations

import importlib
import re
import shutil
import site
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path

from clsctl.paths import is_file

GROUP = "clsctl"


def canonical(name: str) -> str:
    """Return a distribution's name as an index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed() -> dict[str, metadata.Distribution]:
    """Find every installed distribution by its name, as it is now."""
    importlib.invalidate_caches()
    found: dict[str, metadata.Distribution] = {}
    for distribution in metadata.distributions(path=_search_path()):
        name = distribution.metadata["Name"]
        if name:
            found.setdefault(canonical(name), distribution)
    return found


def _search_path() -> list[str]:
    """List where Python looks; it leaves the user's folder out that is made while it runs."""
    own = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    return list(dict.fromkeys([*sys.path, *own]))


def plugins(distributions: Mapping[str, metadata.Distribution]) -> dict[str, list[str]]:
    """Find the distributions that announce plugins, and the plugins' names, by distribution."""
    found = {
        name: [point.name for point in distribution.entry_points if point.group == GROUP]
        for name, distribution in distributions.items()
    }
    return {name: points for name, points in found.items() if points}


def pins(distributions: Mapping[str, metadata.Distribution]) -> str:
    """Return constraints that leave everything as it is, but for plugins, which may be replaced."""
    free = plugins(distributions)
    fixed = (name for name in distributions if name not in free)
    return "".join(f"{name}=={distributions[name].version}\n" for name in sorted(fixed))


def dependents(name: str, distributions: Mapping[str, metadata.Distribution]) -> list[str]:
    """Find the distributions that require another one, not counting their extras."""
    return [
        other for other, found in distributions.items() if name in _required(found.requires or ())
    ]


def _required(requirements: Iterable[str]) -> Iterator[str]:
    for requirement in requirements:
        name = re.match(r"[\w.-]+", requirement)
        if name and not re.search(r";.*\bextra\b", requirement):
            yield canonical(name[0])


def back_up(distribution: metadata.Distribution, folder: Path) -> dict[Path, Path]:
    """Copy a distribution's files into a new folder; returns each copy, by where it came from."""
    folder.mkdir()
    copies: dict[Path, Path] = {}
    for number, file in enumerate(distribution.files or ()):
        path = Path(str(file.locate())).resolve()
        if is_file(path):
            copies[path] = Path(shutil.copy2(path, folder / str(number)))
    return copies


def restore(copies: Mapping[Path, Path]) -> None:
    """Put the files of `back_up` back."""
    for path, copy in copies.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(copy, path)
