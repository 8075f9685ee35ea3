"""Say how a package is added to this installation of clsctl."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path


def install_hint(*packages: str) -> str:
    """Return the command that installs packages where this clsctl finds them.

    pipx and uv keep a tool in an environment of its own, which a plain `pip install` misses.
    """
    names, prefix = " ".join(packages), Path(sys.prefix)
    if (prefix / "pipx_metadata.json").is_file():
        return f"pipx inject {prefix.name} {names}"
    if (prefix / "uv-receipt.toml").is_file():
        return f"uv pip install --python {prefix} {names}"
    if find_spec("pip") is None:
        return f"pip --python {prefix} install {names}"
    return f"pip install {names}"
