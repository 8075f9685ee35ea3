"""Find the model that a name or a directory stands for, pulling it where necessary."""

from __future__ import annotations

from pathlib import Path

from clsctl.console.progress import no_progress
from clsctl.errors import UsageError
from clsctl.images.preprocess import compile_transforms
from clsctl.models.directory import read_model_dir
from clsctl.models.store import Store, open_store
from clsctl.settings import Settings
from clsctl.values import ModelSpec, Progress


def find_model(
    name: str | None,
    directory: str | Path | None,
    settings: Settings,
    progress: Progress = no_progress,
) -> ModelSpec:
    """Find the model that a name, a directory or neither stands for; pull it where necessary.

    Raises:
        ModelError: It is unknown or unusable, its preprocessing included.
        NetworkError: It could not be pulled.
        UsageError: The directory holds a model of another name (`E_MODEL_NAME_MISMATCH`).
    """
    if directory is None:
        directory = _pulled(name, settings, progress)
        name = None
    model = read_model_dir(Path(directory))
    if name and name != model.name:
        raise UsageError(
            f"'{directory}' holds the model {model.name}, not {name}",
            code="E_MODEL_NAME_MISMATCH",
            hint="leave the name out to take the directory as it is",
        )
    compile_transforms(model.transforms)
    return model


def default_name(store: Store) -> str:
    """Choose the best model that is in the store already, else the catalog's default."""
    from clsctl.models.catalog import default_model, load_catalog

    pulled = store.pulled()
    if len(pulled) == 1:
        return pulled[0]
    if not pulled or default_model() in pulled:
        return default_model()
    catalog = load_catalog()
    return max(pulled, key=lambda name: (catalog[name].top1 or 0) if name in catalog else 0)


def _pulled(name: str | None, settings: Settings, progress: Progress) -> Path:
    store = open_store(settings)
    name = name or settings.model or default_name(store)
    found = store.find(name)
    if found is None:
        from clsctl.models.catalog import get_entry

        found = store.ensure(get_entry(name), progress=progress)
    return found
