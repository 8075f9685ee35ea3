"""model_catalog.toml, and the catalogs of plugins, -> ModelEntry.

A plugin ships a file of the same shape and hands over `read_catalog(path, name)`; the comments on
top of model_catalog.toml describe every key.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from clsctl.errors import ModelError, UsageError, unknown_name
from clsctl.models.catalog_schema import at, each, flag, match, named, number, record, several
from clsctl.plugin.registry import Contribution, Registry, default_registry
from clsctl.values import Artifact, ModelEntry, Preprocessing, WeightKind

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# ---- look up -----------------------------------------------------------------------------------


@functools.cache
def load_catalog() -> Mapping[str, ModelEntry]:
    """Every model that a catalog knows, by name.

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
    """What the catalogs know about one model.

    Raises:
        ModelError: No catalog has it (`E_MODEL_UNKNOWN`); the message holds the nearest names.
    """
    catalog = load_catalog()
    if name not in catalog:
        raise ModelError(
            unknown_name("model", name, catalog),
            code="E_MODEL_UNKNOWN",
            hint="`clsctl models list` shows every model",
        )
    return catalog[name]


def default_model() -> str:
    """The model to predict with where none is named, configured or in the store."""
    document = tomllib.loads(catalog_path().read_text(encoding="utf-8"))
    return str(document["catalog"]["default_model"])


def _models_of(catalog: Contribution, registry: Registry) -> Iterable[ModelEntry]:
    if registry.origins[catalog.plugin] == "built-in":
        return list(catalog.item.load())
    try:
        return list(catalog.item.load())
    except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything
        registry.report(f"the catalog of plugin '{catalog.plugin}' was left out: {error}")
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
    """The catalog in the box: in the package once installed, else on top of the checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "model_catalog.toml"
    return installed if installed.is_file() else package.parents[1] / installed.name


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
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
        return _entries(_document(tomllib.loads(text)), catalog)
    except (OSError, ValueError) as error:
        place = f" ({source})" if isinstance(source, Path) else ""
        raise ModelError(
            f"the catalog '{catalog}'{place} is not valid: {error}",
            code="E_CATALOG_INVALID",
            hint="the comments on top of clsctl's own model_catalog.toml describe every key",
        ) from None


def _entries(document: Mapping[str, Any], catalog: str) -> list[ModelEntry]:
    head = document["catalog"]
    titles = ", ".join(head[key] for key in ("source", "version") if key in head)
    figures = f"{titles}. {head['conditions']}" if "conditions" in head else f"{titles}."
    if "default_model" in head:
        models = {model["name"]: model for model in document["models"]}
        _find("catalog: default_model", "model", head["default_model"], models)
    return [_entry(model, document, catalog, figures) for model in document["models"]]


def _entry(
    model: Mapping[str, Any], document: Mapping[str, Any], catalog: str, figures: str
) -> ModelEntry:
    with at("models"), at(model["name"]):
        preparations = document["preprocessing"]
        measured = model["preprocessing"]
        exported = model.get("exported", measured)
        return ModelEntry(
            name=model["name"],
            family=model["family"],
            summary=_find("family", "family", model["family"], document["families"]),
            catalog=catalog,
            preprocessing=_find("preprocessing", "preprocessing", measured, preparations),
            exported=_find("exported", "preprocessing", exported, preparations),
            inference=_artifact(model, "inference"),
            training=_artifact(model, "training"),
            top1=model.get("top1"),
            gpu_ms=model.get("gpu_ms"),
            cpu_ms=model.get("cpu_ms"),
            size_mb=model.get("size"),
            core=model.get("core", False),
            figures=figures,
        )


def _artifact(model: Mapping[str, Any], kind: WeightKind) -> Artifact | None:
    pin = f"{kind}_sha256"
    if kind in model:
        return Artifact(model[kind], model.get(pin, ""))
    if pin in model:
        raise ValueError(f"{pin}: there is no '{kind}' for it")
    return None


def _find(key: str, kind: str, name: str, table: Mapping[str, Any]) -> Any:
    if name not in table:
        raise ValueError(f"{key}: {unknown_name(kind, name, table)}")
    return table[name]


# ---- what a file may hold ----------------------------------------------------------------------


def _mebibytes(value: object) -> float:
    amount, unit = _size(value).split()
    return float(amount) * {"M": 1, "G": 1024}[unit]


def _preprocessing(value: object) -> Preprocessing:
    return Preprocessing(**_preparation(value))


_name = match(r"[A-Za-z0-9][A-Za-z0-9._-]*", "letters, digits, '.', '_' and '-'")
_text = match(r"\S(.*\S)?", "text without blanks around it")
_url = match(r"[a-z][a-z0-9+.-]*:\S+", "a URL")
_sha256 = match(r"[0-9a-f]{64}", "64 digits in lower-case hex")
_size = match(r"\d+(\.\d+)? [MG]", "a size such as '10.5 M' or '1.04 G'")
_pixels = number(0, 65_536, "a whole number of pixels", int)
_latency = several(2, number(0, math.inf, "milliseconds"))
_channels = several(3, number(-math.inf, math.inf, "a number"))

_preparation = record(
    required={"resize_short": _pixels, "crop": _pixels},
    optional={
        "interpolation": match("nearest|bilinear|bicubic|area|lanczos", "an interpolation"),
        "backend": match("cv2|pil", "cv2 or pil"),
        "mean": _channels,
        "std": _channels,
        "crop_fraction": number(0, 1, "a fraction from 0 to 1"),
    },
)
_model = record(
    required={"name": _name, "family": _text, "preprocessing": _text},
    optional={
        "core": flag,
        "top1": number(0, 100, "a percentage from 0 to 100"),
        "gpu_ms": _latency,
        "cpu_ms": _latency,
        "size": _mebibytes,
        "exported": _text,
        "inference": _url,
        "inference_sha256": _sha256,
        "training": _url,
        "training_sha256": _sha256,
    },
)
_document = record(
    required={
        "catalog": record(
            required={"source": _text},
            optional={"version": _text, "conditions": _text, "default_model": _text},
        ),
        "families": each(_text),
        "preprocessing": each(_preprocessing),
        "models": named(_model),
    },
    optional={},
)
