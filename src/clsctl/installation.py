"""Find how clsctl was installed, and say the commands that change that installation.

Nothing of it is worked out before an error needs it: commands look for libraries at every start.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Container, Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from clsctl.errors import DeviceError
from clsctl.paths import is_dir, is_file

Kind = Literal["pip", "pipx", "uv", "one-file"]

PIPX_FACTS = "pipx_metadata.json"
ONE_FILE = "one-file"
"""A file that scripts/one_file puts into the Python of the one-file build."""


@dataclass(frozen=True, slots=True)
class Installation:
    """An environment that holds clsctl.

    Attributes:
        kind: Which program installs packages into it; `uv` for a tool or an environment of uv's,
            `one-file` for the Python inside the one-file build, which takes them from a folder of
            the user's.
        environment: Its folder.
        pip: The words that call pip for it; unused by pipx and uv.
    """

    kind: Kind
    environment: Path
    pip: tuple[str, ...] = ()

    def install(self, *requirements: str, index: str = "") -> list[str]:
        """Return the command that installs packages.

        Args:
            index: URL of the only package index to use; the configured ones where it is empty.
        """
        options = ["--index-url", index] if index else []
        if self.kind == "pipx":
            return ["pipx", "inject", self.environment.name, *requirements, *options]
        return [*self._pip("install"), *requirements, *options]

    def resolve(self, *requirements: str) -> list[str]:
        """Return the command that finds out whether packages can be installed."""
        return [*self._pip("install"), "--dry-run", *requirements]

    def uninstall(self, *names: str) -> list[list[str]]:
        """Return the commands that remove packages; pipx keeps account of what it injected."""
        injected = [name for name in names if name in self._injected()]
        others = [name for name in names if name not in injected]
        commands = []
        if injected:
            commands.append(["pipx", "uninject", self.environment.name, "--leave-deps", *injected])
        if others:
            yes = [] if self.kind == "uv" else ["--yes"]
            commands.append([*self._pip("uninstall"), *yes, *others])
        return commands

    def _pip(self, verb: str) -> list[str]:
        if self.kind == "pipx":
            return ["pipx", "runpip", self.environment.name, verb]
        if self.kind == "uv":
            return ["uv", "pip", verb, "--python", str(self.environment)]
        user = ["--user"] if self.kind == "one-file" and verb == "install" else []
        return [*self.pip, verb, *user]

    def _injected(self) -> Container[str]:
        import json

        if self.kind != "pipx":
            return ()
        facts: dict[str, dict[str, object]] = json.loads(
            (self.environment / PIPX_FACTS).read_text(encoding="utf-8")
        )
        return facts.get("injected_packages", ())


def find_installation(
    environment: Path = Path(sys.prefix), *, has_pip: bool | None = None
) -> Installation:
    """Find how the environment that clsctl runs in is changed.

    Args:
        has_pip: Whether pip can be imported in it; looked up where None.
    """
    if is_file(environment / PIPX_FACTS):
        return Installation("pipx", environment)
    if is_file(environment / ONE_FILE):
        return Installation("one-file", environment, (sys.executable, "-m", "pip"))
    if is_file(environment / "uv-receipt.toml"):
        return Installation("uv", environment)
    # `importlib.util.find_spec` would let setuptools' hook in Python up to 3.11 believe that pip is
    # running: from then on setuptools, and so Paddle, could not be imported.
    if PathFinder.find_spec("pip") is not None if has_pip is None else has_pip:
        return Installation("pip", environment, _own_pip(environment))
    if _made_by_uv(environment):
        return Installation("uv", environment)
    return Installation("pip", environment, ("pip", "--python", str(environment)))


def version_of(distribution: str) -> str:
    """Return the installed version of a distribution, or an empty string."""
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def command_line(*commands: Sequence[str]) -> str:
    """Return commands as a user types them, each only where those before it succeeded."""
    import shlex
    import subprocess

    join = subprocess.list2cmdline if os.name == "nt" else shlex.join
    return " && ".join(join(command) for command in commands)


def install_hint(*requirements: str) -> str:
    """Return the command that installs packages where clsctl runs, as a user types it."""
    found = find_installation()
    if found.kind == "one-file":
        return command_line(["clsctl", "plugins", "install", *requirements])
    return command_line(found.install(*requirements))


def install_plugin_hint(package: str) -> str:
    """Return the command that installs a plugin which clsctl's own project holds.

    Where clsctl was installed from a folder, its plugins are taken from there.
    """
    from importlib.metadata import PackageNotFoundError, distribution
    from json import loads
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    try:
        facts = loads(distribution("clsctl").read_text("direct_url.json") or "{}")
    except PackageNotFoundError:  # run from a folder
        facts = {}
    folder = Path(url2pathname(urlsplit(facts.get("url", "")).path), "plugins", package)
    source = str(folder) if is_dir(folder) else package
    return command_line(["clsctl", "plugins", "install", source])


def require_library(backend: str, module: str, name: str, package: str, more: str = "") -> None:
    """Raise DeviceError where a library that a backend needs is missing (`E_BACKEND_MISSING`).

    Args:
        package: The distribution that brings it.
        more: What the hint says after the command that installs it.
    """
    if find_spec(module) is None:
        raise DeviceError(
            f"backend '{backend}' needs {name}, which is not installed",
            code="E_BACKEND_MISSING",
            hint=f"{install_hint(package)}{more}",
        )


def _own_pip(environment: Path) -> tuple[str, ...]:
    """`pip` where the shell means this environment by it, else pip by its interpreter's path."""
    if os.environ.get("VIRTUAL_ENV") == str(environment):
        return ("pip",)
    return (sys.executable, "-m", "pip")


def _made_by_uv(environment: Path) -> bool:
    try:
        facts = (environment / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return False
    return any(line.partition("=")[0].strip() == "uv" for line in facts.splitlines())
