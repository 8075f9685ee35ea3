"""Find the network that training weights belong to, its preprocessing and its class names.

A run's folder, clsctl's or PaddleX's, keeps an exported model beside its weights, and that model's
inference.yml says all three. A bare file says none, so the architecture has to be named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.errors import UsageError
from clsctl.models.directory import read_model_dir
from clsctl.models.inference_yml import SETTINGS
from clsctl.models.locate import BEST, EXPORTED, WEIGHTS_SUFFIX, default_name, resolve_model
from clsctl.models.store import open_store
from clsctl.networks.pdparams import weights_file
from clsctl.paths import exists, is_dir, is_file
from clsctl.schema.documents import load_document
from clsctl.schema.errors import SchemaError
from clsctl.values import ModelSpec

if TYPE_CHECKING:
    from paddle import nn

    from clsctl.settings import Settings


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A .pdparams file and what is needed to use it.

    Attributes:
        name: The architecture.
        transforms: Preprocessing, as `PreProcess.transform_ops` of inference.yml.
        labels: Class names by id; empty where nothing beside the weights names them.
        dataset: What it was trained on, where its run says so and it is still there.
    """

    name: str
    weights: Path
    transforms: tuple[Mapping[str, Any], ...]
    labels: tuple[str, ...]
    dataset: Path | None = None

    def build_network(self) -> nn.Layer:
        """Build the network with the weights, in evaluation mode.

        Raises:
            ModelError: The weights cannot be read, or are not of this architecture.
        """
        from clsctl.networks.build import build

        network = build(self.name, num_classes=None, pretrained=self.weights)
        network.eval()
        return network


def find(text: str | None, weights: Path | None, settings: Settings) -> TrainedModel:
    """Find the training weights that a word, a file or neither stands for; pull them if needed.

    Args:
        text: What `clsctl.models.locate.resolve_model` accepts; with a file, the architecture.
        weights: A .pdparams file, or a run's folder.
        settings: Name the model where neither is given, and how it is pulled.

    Raises:
        UsageError: There is an exported model alone, without training weights beside it
            (`E_MODEL_CHOICE`); see also `load`.
        ModelError: The model is unknown or its weights are not available.
        NetworkError: They could not be downloaded.
    """
    if weights is not None:
        return load(weights, text and (resolve_model(text).name or text))
    reference = resolve_model(text or settings.model or _default(settings))
    if reference.name is not None:
        return _published(reference.name, settings)
    found = reference.weights or (reference.exported and _beside_exported(reference.exported))
    if found is None:
        raise UsageError(
            f"'{reference.exported}' is an exported model, without training weights beside it",
            code="E_MODEL_CHOICE",
            hint="give the weights it was exported from: a run's folder or a .pdparams file",
        )
    return load(found)


def find_here(model: ModelSpec, settings: Settings) -> TrainedModel | None:
    """Find the training weights of an exported model, where they are on this machine already."""
    beside = _beside_exported(model.directory)
    if beside is not None:
        return load(beside)
    store = open_store(settings)
    ours = store.find(model.name) == model.directory and store.find(model.name, "training")
    return _published(model.name, settings) if ours else None


def load(path: Path, name: str | None = None) -> TrainedModel:
    """Find out what a .pdparams file, or a run's folder with its best weights, stands for.

    Args:
        path: The file or folder.
        name: The architecture, where nothing beside the weights names it.

    Raises:
        ModelError: There are no weights (`E_WEIGHTS_NOT_FOUND`).
        UsageError: Nothing names the architecture (`E_MODEL_NAME_MISSING`), or it is another one
            than `name` (`E_MODEL_NAME_MISMATCH`).
    """
    weights = weights_file(path)
    exported = _exported_beside(weights)
    if exported is None:
        return _bare(weights, name)
    if name not in (None, exported.name):
        raise UsageError(
            f"'{weights}' are weights of {exported.name}, not of {name}",
            code="E_MODEL_NAME_MISMATCH",
            hint="leave the name out to take the weights as they are",
        )
    dataset = _dataset_of(weights.absolute().parent.parent / "config.yaml")
    return TrainedModel(exported.name, weights, exported.transforms, exported.labels, dataset)


def _default(settings: Settings) -> str:
    return default_name(open_store(settings), "training")


def _published(name: str, settings: Settings) -> TrainedModel:
    from clsctl.images.preprocess import transform_ops
    from clsctl.models.catalog import get_entry
    from clsctl.models.imagenet_labels import imagenet_labels
    from clsctl.models.pull import ensure_pulled

    entry = get_entry(name)
    folder = ensure_pulled(open_store(settings), entry, "training")
    weights = next(folder.glob(f"*{WEIGHTS_SUFFIX}"))
    return TrainedModel(name, weights, tuple(transform_ops(entry.preprocessing)), imagenet_labels())


def _beside_exported(exported: Path) -> Path | None:
    """Return the weights of the run that an exported model lies in."""
    folder = exported.absolute() if is_dir(exported) else exported.absolute().parent
    weights = folder.parent / f"{folder.parent.name}{WEIGHTS_SUFFIX}"
    return weights if folder.name == EXPORTED and is_file(weights) else None


def _bare(weights: Path, name: str | None) -> TrainedModel:
    from clsctl.images.preprocess import transform_ops
    from clsctl.models.catalog import get_entry

    if name is None:
        raise UsageError(
            f"nothing beside '{weights}' says which network it is for",
            code="E_MODEL_NAME_MISSING",
            hint=f"name it, as in -m PP-LCNet_x1_0 --weights {weights}",
        )
    return TrainedModel(name, weights, tuple(transform_ops(get_entry(name).preprocessing)), ())


def _exported_beside(weights: Path) -> ModelSpec | None:
    folders = _neighbours(weights.absolute().parent)
    return next((read_model_dir(f) for f in folders if is_file(f / SETTINGS)), None)


def _neighbours(folder: Path) -> Iterator[Path]:
    """Where a run exports to: beside these weights, or at least beside its best ones."""
    yield folder / EXPORTED
    yield folder.parent / BEST / EXPORTED


def _dataset_of(config: Path) -> Path | None:
    """Find the dataset of a run in its config.yaml, clsctl's or PaddleX's."""
    try:
        content = load_document(config)
        found = content.get("data") or content.get("Global") or {}
        path = Path(found.get("path") or found["dataset_dir"])
    except (SchemaError, AttributeError, KeyError, TypeError):
        return None
    return path if exists(path) else None
