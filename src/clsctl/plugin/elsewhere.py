"""Say which plugin brings what is asked for where no installed one does."""

from __future__ import annotations

from pathlib import Path

from clsctl.installation import install_plugin_hint
from clsctl.schema.documents import read_document

PATH = Path(__file__).with_name("elsewhere.toml")


def hint_elsewhere(kind: str, name: str) -> str:
    """Say which package brings something, and how to install it; empty where none is known to.

    Args:
        kind: Such as `commands`.
        name: In capitals or not.
    """
    known = read_document(dict[str, dict[str, str]], PATH).get(kind, {})
    package = {thing.lower(): package for thing, package in known.items()}.get(name.lower())
    return f"the plugin {package} brings it: {install_plugin_hint(package)}" if package else ""
