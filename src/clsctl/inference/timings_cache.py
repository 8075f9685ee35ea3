"""Keep what was measured on this machine until the model, the processor or a library changes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from clsctl.installation import version_of
from clsctl.models.integrity import weights_sha256
from clsctl.plugin.descriptors import Backend
from clsctl.plugin.registry import Registry
from clsctl.schema.documents import read_document
from clsctl.schema.errors import SchemaError
from clsctl.settings import folders
from clsctl.system.cpu import instruction_set
from clsctl.system.files import atomic_replace
from clsctl.values import ModelSpec, Placement

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")


def timings_path(folder: str, spec: ModelSpec, placement: Placement, *more: str) -> Path:
    """Where something measured of a model is kept, below a folder of the cache.

    Raises:
        ModelError: The model's files cannot be read; see `weights_sha256`.
    """
    key = weights_sha256(spec), placement.device.kind, placement.precision, *more
    return folders().cache / folder / f"{'-'.join(key)}.json"


def machine_facts(registry: Registry) -> dict[str, str]:
    """The processor, and the versions of the backends' libraries."""
    backends = registry.items("backends").items()
    versions = {name: _version(backend) for name, backend in backends}
    return {"processor": instruction_set()} | versions


def read_timings(kind: type[T], path: Path) -> T | None:
    """What is kept there; None where that is nothing, or nothing of this kind."""
    try:
        return read_document(kind, path)
    except SchemaError:
        return None


def write_timings(timings: DataclassInstance, path: Path) -> None:
    """Keep measurements, in the place of older ones.

    Raises:
        ClsctlError: The cache cannot be written; see `clsctl.system.os_errors`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_replace(path) as part:
        part.write_text(json.dumps(asdict(timings), indent=1), encoding="utf-8")


def delete_timings(spec: ModelSpec, precision: str) -> None:
    """Forget what was measured of a model in a precision."""
    for path in folders().cache.glob(f"*/{weights_sha256(spec)}-*-{precision}*.json"):
        path.unlink(missing_ok=True)


def list_timings(kind: type[T], folder: str) -> list[T]:
    """Everything of this kind that is kept in a folder of the cache, by model."""
    found = [read_timings(kind, path) for path in (folders().cache / folder).glob("*.json")]
    return sorted((one for one in found if one is not None), key=_model)


def _model(timings: Any) -> str:
    return str(timings.model)


def _version(backend: Backend) -> str:
    return next(filter(None, map(version_of, backend.packages)), "")
