"""The models that ship with clsctl: model_catalog.toml."""

from __future__ import annotations

from collections.abc import Iterable

from clsctl.plugin import Catalog, ModelEntry, hookimpl


@hookimpl
def clsctl_catalogs() -> list[Catalog]:
    return [Catalog("builtin", "The 80 image classification models of PaddleX.", load)]


def load() -> Iterable[ModelEntry]:
    from clsctl.models.catalog import catalog_path, read_catalog

    return read_catalog(catalog_path(), "builtin")
