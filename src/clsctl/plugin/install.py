"""Install plugins into the environment that clsctl runs in, without breaking it."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.console.messages import status
from clsctl.errors import UsageError
from clsctl.installation import Installation, find_installation
from clsctl.paths import exists
from clsctl.plugin import distributions
from clsctl.plugin.inspection import Inspection, inspect_plugins
from clsctl.settings import folders
from clsctl.system.locks import locked
from clsctl.system.temporary import temporary_folder

if TYPE_CHECKING:
    from importlib.metadata import Distribution

SAID = 6
"""Last lines of an installer's output that are shown where it fails."""

CONFLICT = "The conflict is caused by:"
"""pip's line before the requirements that exclude each other."""


def install(words: Sequence[str], offline: bool = False) -> tuple[list[str], Inspection]:
    """Install plugins, or leave everything as it was.

    What is installed already stays, version for version; only plugins are replaced. First it is
    found out whether all of that can be, then it is installed, and then clsctl is started.

    Args:
        words: Names on the package index, with or without a version, or paths of project folders,
            wheels and sdists.
        offline: Use no package index.

    Returns:
        The distributions that are new or replaced, and what clsctl finds now.

    Raises:
        UsageError: A path is not there (`E_PLUGIN_PATH`), the packages do not go with those that
            are installed or cannot be found (`E_PLUGIN_RESOLVE`), they cannot be installed
            (`E_PLUGIN_INSTALL`), or clsctl does not start with them (`E_PLUGIN_FATAL`). Nothing has
            changed.
    """
    requirements = [_requirement(word) for word in words]
    where = find_installation()
    with _workplace() as work:
        before = distributions.installed()
        versions = {name: found.version for name, found in before.items()}
        constraints = work / "constraints.txt"
        constraints.write_text(distributions.pins(before), encoding="utf-8")
        options = [*requirements, *(["--no-index"] if offline else [])]
        status(f"resolving {' '.join(words)}")
        limits = ("--constraint", str(constraints))
        _run([*where.resolve(*options), *limits], "E_PLUGIN_RESOLVE")
        status("installing")
        with _undone_on_failure(where, before, work):
            _install(where, options, constraints)
            found = inspect_plugins()
        return _changed(versions), found


def remove(names: Sequence[str]) -> list[str]:
    """Remove plugins, whether they can be imported or not; what they required stays.

    Args:
        names: Of plugins or of distributions.

    Returns:
        The names of the distributions that were removed.

    Raises:
        UsageError: There is no such plugin (`E_PLUGIN_UNKNOWN`), or something that is installed
            requires it (`E_PLUGIN_REQUIRED`).
    """
    from clsctl.errors import unknown_name

    there = distributions.installed()
    plugins = distributions.plugins(there)
    by_name = {point: name for name, points in plugins.items() for point in points}
    by_name |= {name: name for name in plugins}
    for name in names:
        if name not in by_name:
            raise UsageError(
                unknown_name("plugin", name, by_name),
                code="E_PLUGIN_UNKNOWN",
                hint="`clsctl plugins list` names the distributions; built-in plugins are switched "
                "off by CLSCTL_DISABLED_PLUGINS",
            )
    chosen = sorted({by_name[name] for name in names})
    where = find_installation()
    for name in chosen:
        _require_unneeded(name, chosen, there)
        _require_apart(name, where, there[name])
    with _workplace():
        for command in where.uninstall(*chosen):
            _run(command, "E_PLUGIN_REMOVE")
    return chosen


def _require_apart(name: str, where: Installation, plugin: Distribution) -> None:
    """Raise where a plugin is inside the one file, which nothing changes."""
    path = Path(str(plugin.locate_file("")))
    if where.kind == "one-file" and path.is_relative_to(where.environment):
        raise UsageError(
            f"{name} is part of this clsctl",
            code="E_PLUGIN_REQUIRED",
            hint="CLSCTL_DISABLED_PLUGINS switches plugins off",
        )


def _require_unneeded(name: str, chosen: Sequence[str], there: Mapping[str, Distribution]) -> None:
    needed = [other for other in distributions.dependents(name, there) if other not in chosen]
    if needed:
        raise UsageError(
            f"{name} is required by {', '.join(needed)}",
            code="E_PLUGIN_REQUIRED",
            hint=f"clsctl plugins remove {' '.join([*needed, name])}",
        )


def _requirement(word: str) -> str:
    """Return a path as an absolute one, and a name as it is."""
    is_path = os.sep in word or "/" in word or word.endswith((".whl", ".tar.gz", ".zip", "."))
    if word.startswith("-") or not word:
        raise UsageError(f"'{word}' is neither a name nor a path", code="E_PLUGIN_PATH")
    if not is_path:
        return word
    path = Path(word).expanduser().absolute()
    if not exists(path):
        raise UsageError(f"there is no {path}", code="E_PLUGIN_PATH")
    return str(path)


@contextmanager
def _workplace() -> Iterator[Path]:
    """A folder for temporary files; one process at a time changes the installation."""
    cache = folders().cache
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache, "plugins"), temporary_folder(cache, 0o700) as work:
        yield work


def _install(where: Installation, options: Sequence[str], constraints: Path) -> None:
    """Install as resolved; pipx remembers its options, so it gets the constraints otherwise."""
    limits = {"PIP_CONSTRAINT": str(constraints), "UV_CONSTRAINT": str(constraints)}
    if where.kind == "pipx":
        _run(where.install("--force", *options), "E_PLUGIN_INSTALL", limits)
    else:
        _run([*where.install(*options), "--constraint", str(constraints)], "E_PLUGIN_INSTALL")


@contextmanager
def _undone_on_failure(
    where: Installation, before: Mapping[str, Distribution], work: Path
) -> Iterator[None]:
    """Put the installation back as it was where the block raises."""
    copies = {
        name: distributions.back_up(before[name], work / name)
        for name in distributions.plugins(before)
    }
    versions = {name: found.version for name, found in before.items()}
    try:
        yield
    except BaseException:
        status("putting back what was installed before")
        for command in where.uninstall(*_changed(versions)):
            _run(command, "E_PLUGIN_INSTALL")
        for name in copies:
            distributions.restore(copies[name])
        raise


def _changed(versions: Mapping[str, str]) -> list[str]:
    """Find the distributions that are new or have another version than they had."""
    now = distributions.installed()
    return sorted(name for name in now if now[name].version != versions.get(name))


def _run(command: Sequence[str], code: str, environment: dict[str, str] | None = None) -> None:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"} | (environment or {}),
        )
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"{command[0]} installed clsctl and cannot be run: {reason}",
            code=code,
            hint=f"put {command[0]} on the PATH",
        ) from None
    if done.returncode:
        raise UsageError(
            f"{Path(command[0]).name} says: {_reason(done.stdout + done.stderr)}", code=code
        )


def _reason(output: str) -> str:
    """Pick what an installer says about a failure out of all that it prints."""
    lines = [line.strip() for line in output.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("WARNING", "Looking in"))]
    if CONFLICT in lines:
        causes = lines[lines.index(CONFLICT) + 1 :]
        known = itertools.takewhile(lambda line: not line.startswith("To fix"), causes)
        return f"{CONFLICT} {'; '.join(known)}"
    return "; ".join([line for line in lines if line.startswith("ERROR")] or lines[-SAID:])
