"""Which samples show one object and must stay together when a dataset is split."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from posixpath import normpath

from clsctl.errors import DataError, UsageError

Group = str | Path | Mapping[str, str]


def find_groups(paths: Iterable[str], group: Group) -> dict[str, str]:
    """The object of each path; a path of which none is known is left out.

    Args:
        paths: Normalised paths (`images/a.jpg`, not `./images/a.jpg`).
        group: A regular expression, of which the first group (or the whole match) anywhere in the
            path is the object; a CSV file of paths and objects; or objects by path.

    Raises:
        UsageError: The expression is invalid, or no path has an object (`E_SPLIT_GROUP`).
        DataError: The file cannot be read, or a line lacks a field (`E_SPLIT_GROUP`).
    """
    if isinstance(group, str):
        found = _matches(paths, group)
    else:
        objects = _read_objects(group) if isinstance(group, Path) else group
        known = {normpath(path): name for path, name in objects.items()}
        found = {path: known[path] for path in paths if path in known}
    if not found:
        source = "the --group expression matches" if isinstance(group, str) else "--group names"
        raise UsageError(
            f"{source} none of the paths in the lists",
            code="E_SPLIT_GROUP",
            hint=r"an expression such as 'images/(.+)_\d+\.jpg', or the path of a CSV file with "
            "the columns path and group",
        )
    return found


def merge_groups(*groupings: Mapping[str, str]) -> dict[str, str]:
    """Groups of paths that any of the groupings keeps together, directly or by way of others.

    Each group is called by its first path.
    """
    leader: dict[str, str] = {}

    def find(path: str) -> str:
        while leader.setdefault(path, path) != path:
            leader[path] = path = leader[leader[path]]
        return path

    for grouping in groupings:
        first: dict[str, str] = {}
        for path, name in grouping.items():
            low, high = sorted((find(path), find(first.setdefault(name, path))))
            leader[high] = low
    return {path: find(path) for path in leader}


def _matches(paths: Iterable[str], expression: str) -> dict[str, str]:
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise UsageError(
            f"--group {expression!r} is neither a file nor a regular expression: {error}",
            code="E_SPLIT_GROUP",
        ) from None
    matches = {path: pattern.search(path) for path in paths}
    which = 1 if pattern.groups else 0
    return {path: match[which] for path, match in matches.items() if match and match[which]}


def _read_objects(file: Path) -> dict[str, str]:
    """Objects by path from a CSV file; a header `path,group` may be there."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream)
            rows = [(reader.line_num, row) for row in reader if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {file}: {error}", code="E_SPLIT_GROUP") from None
    for line, row in rows:
        if len(row) < 2 or not row[1].strip():
            raise DataError(
                f"{file}:{line}: there is no group",
                code="E_SPLIT_GROUP",
                hint="write a path, a comma and the name of the object",
            )
    if rows and [field.strip().lower() for field in rows[0][1][:2]] == ["path", "group"]:
        del rows[0]
    return {row[0].strip(): row[1].strip() for _, row in rows}
