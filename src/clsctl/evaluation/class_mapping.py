"""Choose a dataset's samples, and map their class ids to those of a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from clsctl.console.messages import note
from clsctl.datasets.samples import Dataset, Sample
from clsctl.errors import DataError, UsageError


def samples_of(dataset: Dataset, split: str) -> tuple[Sample, ...]:
    """Return the samples of one split.

    Raises:
        UsageError: The dataset has none of that name (`E_SPLIT_MISSING`).
    """
    samples = dataset.splits.get(split, ())
    if not samples:
        raise UsageError(
            f"{dataset.root} has no images in the split '{split}'; it has "
            f"{', '.join(name for name, group in dataset.splits.items() if group) or 'none'}",
            code="E_SPLIT_MISSING",
            hint="`clsctl dataset split DIR` makes one",
        )
    return samples


def remap_labels(
    samples: Iterable[Sample], class_names: Mapping[int, str], labels: Sequence[str], outputs: int
) -> list[Sample]:
    """Give samples the class ids that the model uses, found by class name.

    Args:
        samples: With the dataset's class ids.
        class_names: The dataset's class names by id.
        labels: The model's; where it has none, its ids are taken to be the dataset's.
        outputs: How many classes the model tells apart.

    Raises:
        DataError: The model does not know the dataset's classes (`E_CLASSES_DIFFER`).
    """
    ids = _model_ids(class_names, labels, outputs)
    if any(own != theirs for own, theirs in ids.items()):
        note("the model numbers the classes otherwise than the dataset; they are matched by name")
    return [replace(sample, label=ids[sample.label]) for sample in samples]


def _model_ids(
    class_names: Mapping[int, str], labels: Sequence[str], outputs: int
) -> dict[int, int]:
    if max(class_names, default=-1) < outputs and not labels:
        return {class_id: class_id for class_id in class_names}
    # Names need not be unique, in ImageNet for one; then only equal ids make sense.
    if all(labels[class_id : class_id + 1] == (name,) for class_id, name in class_names.items()):
        return {class_id: class_id for class_id in class_names}
    places = {name: place for place, name in enumerate(labels) if labels.count(name) == 1}
    unknown = [name for name in class_names.values() if name not in places]
    if unknown:
        raise _other_classes(unknown, labels, outputs)
    return {class_id: places[name] for class_id, name in class_names.items()}


def _other_classes(unknown: Sequence[str], labels: Sequence[str], outputs: int) -> DataError:
    theirs = f": {', '.join(labels[:5])}{' ...' if len(labels) > 5 else ''}" if labels else ""
    more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
    return DataError(
        f"the dataset's classes {', '.join(unknown[:5])}{more} are not among the {outputs} "
        f"classes of the model{theirs}",
        code="E_CLASSES_DIFFER",
        hint="`clsctl train` makes a model for these classes",
    )
