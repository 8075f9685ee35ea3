"""Find the plugins that installed distributions announce, in a tenth of importlib.metadata's time.

An entry point is a line `name = module` or `name = module:object` of the section `[clsctl]` in a
distribution's entry_points.txt (https://packaging.python.org/specifications/entry-points).
importlib.metadata reads the same files, but to import it takes as long as all else that a light
command does.
"""

from __future__ import annotations

import importlib
import operator
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from clsctl.paths import is_file

SUFFIXES = (".dist-info", ".egg-info")
FILE = "entry_points.txt"


class EntryPoint(NamedTuple):
    """A plugin that a distribution announces.

    Attributes:
        value: Where it is: `module` or `module:object`.
        distribution: Name and version, such as `clsctl-ray 0.1.0`.
    """

    name: str
    value: str
    distribution: str

    def load(self) -> object:
        """Import the module and return it, or the object in it."""
        module, _, attributes = self.value.partition(":")
        loaded = importlib.import_module(module.strip())
        return operator.attrgetter(attributes.strip())(loaded) if attributes else loaded


def find_entry_points(group: str, path: Sequence[str] | None = None) -> list[EntryPoint]:
    """Every entry point of a group, by name.

    Args:
        group: The section of entry_points.txt.
        path: Folders that hold distributions; `sys.path` where None. Of a distribution that is in
            several of them the first counts, as for imports.
    """
    found: dict[str, list[EntryPoint]] = {}
    for folder in sys.path if path is None else path:
        for file in _files(folder or "."):
            distribution = _distribution(file.parent.name)
            owner = distribution.partition(" ")[0]
            if owner not in found:
                found[owner] = list(_read(file, group, distribution))
    return sorted(point for points in found.values() for point in points)


def _files(folder: str) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.endswith(SUFFIXES)]
    except OSError:  # No folder, or one that may not be read.
        return
    for name in names:
        file = Path(folder, name, FILE)
        if is_file(file):
            yield file


def _distribution(name: str) -> str:
    """`clsctl_ray-0.1.0.dist-info` -> `clsctl-ray 0.1.0`."""
    stem = name.rpartition(".")[0]
    project, _, version = stem.partition("-")
    return f"{project.replace('_', '-').lower()} {version.partition('-')[0]}".strip()


def _read(file: Path, group: str, distribution: str) -> Iterator[EntryPoint]:
    section = ""
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("["):
            section = text.strip("[] ")
        elif section == group and "=" in text:
            name, _, value = text.partition("=")
            yield EntryPoint(name.strip(), value.partition("[")[0].strip(), distribution)
