"""Find which samples show one object and must stay together when a dataset is split."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from posixpath import normpath
from typing import NamedTuple

from clsctl.datasets.split.pool import Pool
from clsctl.errors import DataError, UsageError
from clsctl.paths import read_text
from clsctl.settings import load_settings
from clsctl.values import Progress

Group = str | Path | Mapping[str, str]


class Groups(NamedTuple):
    """What must stay together.

    Attributes:
        names: The first path of its group, by path, of all that are in a group.
        ungrouped: How many samples the user's `group` says nothing of.
    """

    names: Mapping[str, str]
    ungrouped: int


def group_samples(
    pool: Pool, group: Group | None, dedupe_groups: bool, progress: Progress
) -> Groups:
    """Group a pool's samples, those held out included.

    Args:
        pool: The samples.
        group: What shows one object, see `find_groups`; None if nothing does.
        dedupe_groups: Whether near-duplicates are groups.
        progress: Receives the images looked at for that, and in all.

    Raises:
        UsageError: As `find_groups`.
        DataError: As `find_groups`.
    """
    paths = [*pool.samples, *pool.held_out]
    named = {} if group is None else find_groups(paths, group)
    pairs = list(pairs_of(named))
    if dedupe_groups:
        pairs += near_duplicates(pool.root, paths, progress)
    ungrouped = 0 if group is None else len(pool.samples.keys() - named)
    return Groups(join_pairs(pairs), ungrouped)


def find_groups(paths: Iterable[str], group: Group) -> dict[str, str]:
    """Find the object of each path; a path of which none is known is left out.

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


def near_duplicates(root: Path, paths: Sequence[str], progress: Progress) -> list[tuple[str, str]]:
    """Find pairs of images that are (nearly) equal; see `clsctl.datasets.check.duplicates`.

    An image that cannot be read resembles none; `dataset check` reports it.

    Args:
        root: What the paths are relative to.
        paths: The images.
        progress: Receives the images looked at, and in all.
    """
    from clsctl.datasets.check.duplicates import near_pairs
    from clsctl.datasets.check.scan import scan_images
    from clsctl.system.cpu import available_cores

    settings = load_settings()
    workers = settings.threads or available_cores()
    scan = scan_images(root, paths, workers=workers, settings=settings, progress=progress)
    if scan.fingerprints is None:
        return []
    pairs = near_pairs(scan.fingerprints).tolist()
    files = zip(scan.signatures.tolist(), paths, strict=True)
    equal = {path: str(signature) for signature, path in files if signature}
    return [*((paths[one], paths[other]) for one, other, _ in pairs), *pairs_of(equal)]


def pairs_of(groups: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Pair each path with the first one of its group."""
    first: dict[str, str] = {}
    for path, name in groups.items():
        yield first.setdefault(name, path), path


def join_pairs(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Group what is paired, directly or by way of others; a group is named by its first path."""
    leader: dict[str, str] = {}

    def find(path: str) -> str:
        while leader.setdefault(path, path) != path:
            leader[path] = path = leader[leader[path]]
        return path

    for one, other in pairs:
        low, high = sorted((find(one), find(other)))
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
    """Read objects by path from a CSV file; a header `path,group` may be there."""
    try:
        reader = csv.reader(io.StringIO(read_text(file, "utf-8-sig"), newline=""))
        rows = [(reader.line_num, row) for row in reader if any(row)]
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read {file}: {reason}", code="E_SPLIT_GROUP") from None
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
