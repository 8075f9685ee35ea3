"""Read model_catalog.toml and the catalogs of plugins.

A plugin ships a file of the same shape and hands over `read_catalog(path, name)`; the comments on
top of model_catalog.toml describe every key.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from clsctl.errors import ModelError, UsageError, unknown_name
from clsctl.models.catalog_schema import CatalogFile, Model
from clsctl.models.parsed_cache import parse_once
from clsctl.paths import is_file
from clsctl.plugin.elsewhere import hint_elsewhere
from clsctl.plugin.registry import Contribution, Registry, default_registry
from clsctl.schema.documents import parse_document, read_document
from clsctl.schema.errors import SchemaError
from clsctl.schema.read import read
from clsctl.values import Artifact, ModelEntry, Preprocessing, WeightKind

T = TypeVar("T")

# ---- look up -----------------------------------------------------------------------------------


@functools.cache
def load_catalog() -> Mapping[str, ModelEntry]:
    """Load every model that a catalog knows, by name.

    Raises:
        UsageError: Two catalogs have a model of one name (`E_PLUGIN_CONFLICT`).
        ModelError: clsctl's own catalog was edited and is not valid (`E_CATALOG_INVALID`); a
            plugin's is left out with a warning.
    """
    registry = default_registry()
    models: dict[str, ModelEntry] = {}
    origins: dict[str, Contribution] = {}
    for catalog in registry.contributions("catalogs").values():
        for entry in _models_of(catalog, registry):
            if entry.name in models:
                raise _conflict(entry.name, origins[entry.name], catalog)
            models[entry.name] = entry
            origins[entry.name] = catalog
    return MappingProxyType(models)


def get_entry(name: str) -> ModelEntry:
    """Look up what the catalogs know about one model.

    Raises:
        ModelError: No catalog has it (`E_MODEL_UNKNOWN`); the message holds the nearest names.
    """
    catalog = load_catalog()
    if name not in catalog:
        raise ModelError(
            unknown_name("model", name, catalog),
            code="E_MODEL_UNKNOWN",
            hint=hint_elsewhere("models", name) or "`clsctl models list` shows every model",
        )
    return catalog[name]


def default_model() -> str:
    """Return the model to predict with where none is named, configured or in the store."""
    return read_document(CatalogFile, catalog_path(), parse=parse_once).catalog.default_model


def _models_of(catalog: Contribution, registry: Registry) -> Iterable[ModelEntry]:
    if registry.origins[catalog.plugin] == "built-in":
        return list(catalog.item.load())
    try:
        return list(catalog.item.load())
    except Exception as error:  # noqa: BLE001 - third-party code may raise anything
        reason = getattr(error, "message", error)
        registry.report(f"the catalog of plugin '{catalog.plugin}' was left out: {reason}")
        return []


def _conflict(model: str, first: Contribution, second: Contribution) -> UsageError:
    return UsageError(
        f"the model '{model}' is in two catalogs, '{first.item.name}' of plugin '{first.plugin}' "
        f"and '{second.item.name}' of plugin '{second.plugin}'",
        code="E_PLUGIN_CONFLICT",
        hint=f"set CLSCTL_DISABLED_PLUGINS={second.plugin} to switch one off",
    )


# ---- read a file -------------------------------------------------------------------------------


def catalog_path() -> Path:
    """Find the catalog in the box: in the package once installed, else on top of the checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "model_catalog.toml"
    return installed if is_file(installed) else package.parents[1] / installed.name


def read_catalog(source: Path | str, catalog: str) -> list[ModelEntry]:
    """Read and check a catalog in TOML.

    Args:
        source: A file, or the text itself.
        catalog: The catalog's name, which every entry carries.

    Raises:
        ModelError: It cannot be read or is not valid (`E_CATALOG_INVALID`); the message names the
            model and the key.
    """
    try:
        if isinstance(source, Path):
            return _entries(read_document(CatalogFile, source, parse=parse_once), catalog)
        return _entries(read(CatalogFile, parse_document(source, ".toml")), catalog)
    except SchemaError as error:
        raise ModelError(
            f"the catalog '{catalog}' is not valid: {error}",
            code="E_CATALOG_INVALID",
            hint="the comments on top of clsctl's own model_catalog.toml describe every key",
        ) from None


def _entries(file: CatalogFile, catalog: str) -> list[ModelEntry]:
    head, names = file.catalog, [model.name for model in file.models]
    titles = ", ".join(filter(None, (head.source, head.version)))
    figures = f"{titles}. {head.conditions}" if head.conditions else f"{titles}."
    for name in names:
        if names.count(name) > 1:
            raise SchemaError("listed twice", ("models", name))
    if head.default_model and head.default_model not in names:
        reason = unknown_name("model", head.default_model, names)
        raise SchemaError(reason, ("catalog", "default_model"))
    return [_entry(model, file, catalog, figures) for model in file.models]


def _entry(model: Model, file: CatalogFile, catalog: str, figures: str) -> ModelEntry:
    exported = model.exported or model.preprocessing
    return ModelEntry(
        name=model.name,
        family=model.family,
        summary=_find(file.families, "family", model.family, model, "family"),
        catalog=catalog,
        preprocessing=_preparation(file, model.preprocessing, model, "preprocessing"),
        exported=_preparation(file, exported, model, "exported"),
        inference=_artifact(model, "inference"),
        training=_artifact(model, "training"),
        top1=model.top1,
        gpu_ms=model.gpu_ms,
        cpu_ms=model.cpu_ms,
        size_mb=None if model.size is None else _mebibytes(model.size),
        core=model.core,
        figures=figures,
    )


def _preparation(file: CatalogFile, name: str, model: Model, key: str) -> Preprocessing:
    return _find(file.preprocessing, "preprocessing", name, model, key)


def _artifact(model: Model, kind: WeightKind) -> Artifact | None:
    url, pin = getattr(model, kind), getattr(model, f"{kind}_sha256")
    if pin and not url:
        place = ("models", model.name, f"{kind}_sha256")
        raise SchemaError(f"there is no '{kind}' for it", place)
    return Artifact(url, pin) if url else None


def _find(table: Mapping[str, T], noun: str, name: str, model: Model, key: str) -> T:
    """What a key of a model names in a table of the file."""
    if name not in table:
        raise SchemaError(unknown_name(noun, name, table), ("models", model.name, key))
    return table[name]


def _mebibytes(size: str) -> float:
    amount, unit = size.split()
    return float(amount) * {"M": 1, "G": 1024}[unit]
