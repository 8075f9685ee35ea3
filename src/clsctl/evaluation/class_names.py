"""Name the classes that trained weights tell apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.console.messages import note
from clsctl.errors import ModelError, UsageError
from clsctl.evaluation.scoring import count_classes, score_function
from clsctl.networks.trained_weights import TrainedModel

if TYPE_CHECKING:
    from paddle import nn

    from clsctl.datasets.samples import Layout


def class_names(
    model: TrainedModel,
    network: nn.Layer,
    dataset: str | Path | None = None,
    layout: Layout | None = None,
) -> tuple[str, ...]:
    """Name each class that the network tells apart.

    Args:
        dataset: Names the classes where nothing beside the weights does.
        layout: Read this layout of the dataset alone.

    Raises:
        UsageError: Nothing names them (`E_LABELS_MISSING`).
        ModelError: There are more or fewer names than classes (`E_LABELS_MISMATCH`).
    """
    from clsctl.datasets.layouts.detect import read_valid_dataset
    from clsctl.models.imagenet_labels import imagenet_labels

    names = model.labels
    if dataset is not None and not names:
        names = tuple(read_valid_dataset(Path(dataset), layout=layout).class_names.values())
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
