"""A plugin with the network of `plain_network`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from clsctl.plugin import Architecture, Catalog, hookimpl
from clsctl.values import ModelEntry, Preprocessing

NAME = "Plain"


def build(**options: Any) -> Any:
    from plain_network import Plain

    return Plain(**options)


@hookimpl
def clsctl_architectures() -> list[Architecture]:
    return [Architecture(NAME, "One convolution.", build)]


@hookimpl
def clsctl_catalogs() -> list[Catalog]:
    shape = Preprocessing(resize_short=64, crop=64)
    entry = ModelEntry(NAME, "Plain", "One convolution.", "plain", shape, shape)
    return [Catalog("plain", "One tiny network.", lambda: [entry])]


def install(site: Path) -> dict[str, str]:
    """Make the plugin visible to processes with the returned environment."""
    info = site / "plain-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plain\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[clsctl]\nplain = plain_plugin\n")
    return {"PYTHONPATH": f"{Path(__file__).parent}{os.pathsep}{site}"}
