"""Find how clsctl was installed, and say the commands that change that installation."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

Kind = Literal["pip", "pipx", "uv"]


@dataclass(frozen=True, slots=True)
class Installation:
    """An environment that holds clsctl.

    Attributes:
        kind: Which program installs packages into it; `uv` for a tool or an environment of uv's.
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
        return [*self._pip(), "install", *self._target(), *requirements, *options]

    def uninstall(self, *names: str) -> list[str]:
        """Return the command that removes packages, whichever of them are there."""
        if self.kind == "pipx":
            return ["pipx", "runpip", self.environment.name, "uninstall", "--yes", *names]
        yes = [] if self.kind == "uv" else ["--yes"]
        return [*self._pip(), "uninstall", *self._target(), *yes, *names]

    def _pip(self) -> tuple[str, ...]:
        return ("uv", "pip") if self.kind == "uv" else self.pip

    def _target(self) -> list[str]:
        return ["--python", str(self.environment)] if self.kind == "uv" else []


def find_installation(
    environment: Path = Path(sys.prefix), *, has_pip: bool | None = None
) -> Installation:
    """Find how the environment that clsctl runs in is changed.

    Args:
        has_pip: Whether pip can be imported in it; looked up where None.
    """
    if (environment / "pipx_metadata.json").is_file():
        return Installation("pipx", environment)
    if (environment / "uv-receipt.toml").is_file():
        return Installation("uv", environment)
    if find_spec("pip") is not None if has_pip is None else has_pip:
        return Installation("pip", environment, _own_pip(environment))
    if _made_by_uv(environment) or not shutil.which("pip"):
        return Installation("uv", environment)
    return Installation("pip", environment, ("pip", "--python", str(environment)))


def command_line(*commands: Sequence[str]) -> str:
    """Return commands as a user types them, each only where those before it succeeded."""
    join = subprocess.list2cmdline if os.name == "nt" else shlex.join
    return " && ".join(join(command) for command in commands)


def install_hint(*requirements: str) -> str:
    """Return the command that installs packages where clsctl runs, as a user types it."""
    return command_line(find_installation().install(*requirements))


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
