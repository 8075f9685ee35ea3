"""Find the network that training weights belong to, its preprocessing and its class names.

A run's folder, clsctl's or PaddleX's, keeps an exported model beside its weights, and that model's
inference.yml says all three. A bare file says none, so the architecture has to be named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.console.messages import note
from clsctl.errors import ModelError, UsageError
from clsctl.evaluation.scoring import count_classes, score_function
from clsctl.models.directory import read_model_dir
from clsctl.models.inference_yml import SETTINGS
from clsctl.paths import exists
from clsctl.schema.documents import load_document
from clsctl.schema.errors import SchemaError
from clsctl.values import ModelSpec

if TYPE_CHECKING:
    from paddle import nn

BEST = "best_model"


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
    weights = _weights_file(path)
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


def class_names(
    model: TrainedModel, network: nn.Layer, dataset: str | Path | None = None
) -> tuple[str, ...]:
    """Name each class that the network tells apart.

    Args:
        dataset: Names the classes where nothing beside the weights does.

    Raises:
        UsageError: Nothing names them (`E_LABELS_MISSING`).
        ModelError: There are more or fewer names than classes (`E_LABELS_MISMATCH`).
    """
    from clsctl.datasets.layouts.detect import read_valid_dataset
    from clsctl.models.imagenet_labels import imagenet_labels

    names = model.labels
    if dataset is not None and not names:
        names = tuple(read_valid_dataset(Path(dataset)).class_names.values())
    classes = count_classes(score_function(network), model.transforms)
    if not names and classes == len(imagenet_labels()):
        note("the classes are named as ImageNet's")
        return imagenet_labels()
    if not names:
        raise UsageError(
            f"nothing beside '{model.weights}' names its {classes} classes",
            code="E_LABELS_MISSING",
            hint="-d DIR gives the dataset it was trained on, which does",
        )
    if len(names) != classes:
        raise ModelError(
            f"there are {len(names)} class names, but '{model.weights}' has {classes} classes",
            code="E_LABELS_MISMATCH",
            hint="give the dataset it was trained on",
        )
    return names


def _bare(weights: Path, name: str | None) -> TrainedModel:
    from clsctl.images.preprocess import transform_ops
    from clsctl.models.catalog import get_entry

    if name is None:
        raise UsageError(
            f"nothing beside '{weights}' says which network it is for",
            code="E_MODEL_NAME_MISSING",
            hint="name it, as in -m PP-LCNet_x1_0",
        )
    return TrainedModel(name, weights, tuple(transform_ops(get_entry(name).preprocessing)), ())


def _weights_file(path: Path) -> Path:
    if path.is_dir():
        # A run's folder, or one inside it, which calls its weights by its own name.
        for folder in (path / BEST, path.absolute()):
            if (folder / f"{folder.name}.pdparams").is_file():
                return folder / f"{folder.name}.pdparams"
    elif path.is_file():
        return path
    raise ModelError(
        f"there are no weights at '{path}'",
        code="E_WEIGHTS_NOT_FOUND",
        hint=f"give a .pdparams file, or a run's folder that holds {BEST}/{BEST}.pdparams",
    )


def _exported_beside(weights: Path) -> ModelSpec | None:
    folders = _neighbours(weights.absolute().parent)
    return next((read_model_dir(f) for f in folders if (f / SETTINGS).is_file()), None)


def _neighbours(folder: Path) -> Iterator[Path]:
    """Where a run exports to: beside these weights, or at least beside its best ones."""
    yield folder / "inference"
    yield folder.parent / BEST / "inference"


def _dataset_of(config: Path) -> Path | None:
    """Find the dataset of a run in its config.yaml, clsctl's or PaddleX's."""
    try:
        content = load_document(config)
        found = content.get("data") or content.get("Global") or {}
        path = Path(found.get("path") or found["dataset_dir"])
    except (SchemaError, AttributeError, KeyError, TypeError):
        return None
    return path if exists(path) else None
