"""Report what is wrong with what a dataset lists, without a look at its images.

`clsctl dataset check` and `clsctl train` apply the same rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from posixpath import normpath

from clsctl.datasets.check.statistics import ClassCount, count_classes
from clsctl.datasets.layouts.detect import read_dataset, require_valid
from clsctl.datasets.layouts.lists import LABEL_FILE, list_file
from clsctl.datasets.problems import SPOILS_TRAINING, Problem, problem
from clsctl.datasets.samples import Dataset, Layout, Sample, SplitSample


def read_training_dataset(path: Path, layout: Layout | None = None) -> Dataset:
    """Read a dataset that can be trained on.

    Args:
        path: As for `read_dataset`.
        layout: Likewise.

    Raises:
        DataError: As `read_dataset`; or `clsctl dataset check` would report an error in the
            listing, or what only training cannot do with (`E_DATASET_INVALID`).
    """
    dataset = read_dataset(path, layout)
    problems = [*dataset.problems, *listing_problems(dataset)]
    errors = [one for one in problems if one.severity == "error" or one.code in SPOILS_TRAINING]
    require_valid(dataset.root, errors, path)
    return dataset


def listing_problems(dataset: Dataset) -> Iterator[Problem]:
    """Report files listed twice, classes without samples, and a class that is alone."""
    first = listed_once(dataset)
    for listed in dataset.samples():
        before = first[normpath(listed.sample.path)]
        if before != listed:
            yield from _repeated(before, listed)
    named = [one for one in count_classes(dataset) if one.id in dataset.class_names]
    yield from _class_problems(dataset, named)
    if len(named) == 1 and dataset.splits.get("train"):
        yield _single_class(dataset, named[0])


def listed_once(dataset: Dataset) -> dict[str, SplitSample]:
    """Return the first listing of each file, by normalised path."""
    first: dict[str, SplitSample] = {}
    for listed in dataset.samples():
        first.setdefault(normpath(listed.sample.path), listed)
    return first


def sample_problem(code: str, message: str, sample: Sample, hint: str = "") -> Problem:
    """Make a problem with one sample, where it is listed."""
    return problem(code, message, sample.file, sample.line or None, hint)


def split_place(dataset: Dataset, split: str) -> tuple[str, int | None]:
    """Return the file that lists a split, and no line."""
    if dataset.layout == "folders":
        return ".", None
    samples = dataset.splits.get(split)
    return samples[0].file if samples else list_file(split), None


def _repeated(before: SplitSample, again: SplitSample) -> Iterator[Problem]:
    """Report what is wrong about a second line for the same file."""
    path, sample = again.sample.path, again.sample
    if before.sample.label != sample.label:
        labels = f"class {sample.label} here and class {before.sample.label} in {before.where}"
        yield sample_problem("D_SAMPLE_TWO_LABELS", f"{path} has {labels}", sample)
    if before.split != again.split:
        message = f"{path} is in {again.split} and, by {before.where}, in {before.split}"
        yield sample_problem("D_SPLIT_OVERLAP", message, sample)
    elif before.sample.label == sample.label:
        yield sample_problem(
            "D_SAMPLE_REPEATED", f"{path} was listed in {before.where} already", sample
        )


def _class_problems(dataset: Dataset, classes: Iterable[ClassCount]) -> Iterator[Problem]:
    """Report classes that a split has no samples of; an empty split is a problem of its own."""
    for one in classes:
        for split, code, kind in (
            ("train", "D_CLASS_NO_TRAIN", "training"),
            ("val", "D_CLASS_NO_VAL", "validation"),
        ):
            if dataset.splits.get(split) and not one.samples[split]:
                message = f"class {one.id} '{one.name}' has no {kind} samples"
                yield problem(code, message, *_class_place(dataset, one))


def _single_class(dataset: Dataset, one: ClassCount) -> Problem:
    """Report the only class, and the folders in it, which may be the classes that were meant."""
    message = f"'{one.name}' is the only class"
    if dataset.layout == "folders":
        parents = {PurePosixPath(sample.path).parent.name for _, sample in dataset.samples()}
        deeper = sorted(parents - {one.name})
        if deeper:
            more = " ..." if len(deeper) > 4 else ""
            message += f"; its images lie in folders of it: {', '.join(deeper[:4])}{more}"
    return problem("D_ONE_CLASS", message, *_class_place(dataset, one))


def _class_place(dataset: Dataset, one: ClassCount) -> tuple[str, int | None]:
    if dataset.class_lines:
        return LABEL_FILE, dataset.class_lines[one.id]
    return (one.name, None) if dataset.layout == "folders" else split_place(dataset, "train")
