"""Find the model that one word stands for: a name, a model directory, a run, a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from clsctl.console.progress import no_progress
from clsctl.errors import ModelError, UsageError
from clsctl.images.preprocess import compile_transforms
from clsctl.models.directory import GRAPHS, read_model_dir
from clsctl.models.store import Store, open_store
from clsctl.paths import exists, is_file
from clsctl.settings import Settings
from clsctl.values import MODEL_FORMATS, ModelSpec, Progress, WeightKind

if TYPE_CHECKING:
    from clsctl.values import ModelEntry

WEIGHTS_SUFFIX = ".pdparams"
BEST = "best_model"
EXPORTED = "inference"
"""Of a run, the folder with the best weights, and in it that of the exported model."""


class ModelReference(NamedTuple):
    """What a word stands for; of a run both its exported model and its weights.

    Attributes:
        name: A model of a catalog or the store, spelled as there.
        exported: A model directory, or the graph in one.
        weights: A .pdparams file.
    """

    name: str | None = None
    exported: Path | None = None
    weights: Path | None = None


def resolve_model(text: str) -> ModelReference:
    """Tell what a word stands for, without pulling or reading anything large.

    A name counts before a file of the same name, which is written as `./NAME`; the case of a name
    does not matter.

    Args:
        text: A model's name, a model directory, a graph such as an ONNX file, a training run's
            folder, or a .pdparams file.

    Raises:
        ModelError: It is none of these (`E_MODEL_UNKNOWN`); the message holds the nearest names.
    """
    name = _known_name(text)
    if name is not None:
        return ModelReference(name=name)
    if exists(text):
        return _on_disk(Path(text))
    from clsctl.models.catalog import get_entry

    return ModelReference(name=get_entry(text).name)


def find_model(
    name: str | None,
    directory: str | Path | None,
    settings: Settings,
    progress: Progress = no_progress,
) -> ModelSpec:
    """Find the exported model that a word, a directory or neither stands for; pull it if needed.

    Args:
        name: What `resolve_model` accepts; with a directory, the name of the model in it.
        directory: A model directory, or the graph in one.
        settings: Name the model where neither is given, and how it is pulled.
        progress: Told how far a download is.

    Raises:
        ModelError: It is unknown or unusable, its preprocessing included.
        NetworkError: It could not be pulled.
        UsageError: The directory holds a model of another name (`E_MODEL_NAME_MISMATCH`).
    """
    if directory is None:
        directory = _exported(name, settings, progress)
        name = None
    model = read_model_dir(Path(directory))
    if name and name.lower() != model.name.lower():
        raise UsageError(
            f"'{directory}' holds the model {model.name}, not {name}",
            code="E_MODEL_NAME_MISMATCH",
            hint="leave the name out to take the directory as it is",
        )
    compile_transforms(model.transforms)
    return model


def default_name(store: Store, kind: WeightKind = "inference") -> str:
    """Choose a model that is here: the store's best, else one that needs no network, else pull.

    Of those that would be pulled the catalog's default is taken.

    Args:
        kind: Which of its weights are needed.
    """
    from clsctl.models.catalog import default_model, load_catalog

    catalog = load_catalog()
    here = store.pulled(kind) or local_names(store, kind)
    if not here or default_model() in here:
        return default_model()
    return max(here, key=lambda name: (catalog[name].top1 or 0) if name in catalog else 0)


def local_names(store: Store, kind: WeightKind) -> list[str]:
    """List the models whose weights need no network: those in the store, and some of plugins."""
    from clsctl.models.catalog import load_catalog

    brought = [name for name, entry in load_catalog().items() if _is_local(entry, kind)]
    return list(dict.fromkeys([*store.pulled(kind), *brought]))


def _known_name(text: str) -> str | None:
    """The catalog's or the store's spelling of a name."""
    from clsctl.models.catalog import load_catalog

    if os.sep in text:
        return None
    names = [*open_store().pulled(), *load_catalog()]
    exact = {name: name for name in names}
    return exact.get(text) or {name.lower(): name for name in names}.get(text.lower())


def _on_disk(path: Path) -> ModelReference:
    if is_file(path):
        if path.suffix == WEIGHTS_SUFFIX:
            return ModelReference(weights=path)
        if path.suffix in MODEL_FORMATS:
            return ModelReference(exported=path)
        raise ModelError(
            f"'{path}' is no model: a file is one where it ends in "
            f"{', '.join([*MODEL_FORMATS, WEIGHTS_SUFFIX])}",
            code="E_MODEL_UNKNOWN",
            hint="`clsctl models list` shows every model",
        )
    weights = run_weights(path)
    if weights is not None:
        exported = weights.parent / EXPORTED
        return ModelReference(
            exported=exported if _holds_graph(exported) else None, weights=weights
        )
    return ModelReference(exported=path)


def run_weights(folder: Path) -> Path | None:
    """Find the weights in a run's folder, or in one inside it, which calls them by its own name."""
    folders = (folder / BEST, folder)
    found = (one / f"{one.absolute().name}{WEIGHTS_SUFFIX}" for one in folders)
    return next(filter(is_file, found), None)


def _holds_graph(folder: Path) -> bool:
    return any(is_file(folder / name) for name in GRAPHS)


def _exported(text: str | None, settings: Settings, progress: Progress) -> Path:
    store = open_store(settings)
    text = text or settings.model or default_name(store)
    is_path = os.sep in text or exists(text)
    found = None if is_path else store.find(text)  # The usual case, without reading a catalog.
    if found is not None:
        return found
    reference = resolve_model(text)
    if reference.exported is not None:
        return reference.exported
    if reference.name is None:
        raise ModelError(
            f"'{reference.weights}' are training weights, and no exported model lies beside them",
            code="E_MODEL_NOT_EXPORTED",
            hint=f"`clsctl export --weights {reference.weights} -o exported`, then -m exported",
        )
    from clsctl.models.catalog import get_entry
    from clsctl.models.pull import ensure_pulled

    found = store.find(reference.name)
    return found or ensure_pulled(store, get_entry(reference.name), progress=progress)


def _is_local(entry: ModelEntry, kind: WeightKind) -> bool:
    """Whether the model's weights come without a network, as those of a plugin may."""
    from clsctl.models.mirrors import weight_source

    artifact = entry.inference if kind == "inference" else entry.training
    return artifact is not None and weight_source(artifact.url).local
