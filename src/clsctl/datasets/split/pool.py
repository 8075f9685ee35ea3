"""Read a dataset's samples as one pool: each path once, whichever list it came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from posixpath import normpath

from clsctl.datasets.layouts.detect import read_valid_dataset
from clsctl.datasets.list_files import ListLine
from clsctl.datasets.printing import print_notes
from clsctl.datasets.problems import UNSPLIT
from clsctl.datasets.samples import Layout, Sample
from clsctl.errors import DataError


@dataclass(frozen=True, slots=True)
class Pool:
    """The samples of a dataset.

    Attributes:
        root: The folder that paths are relative to.
        class_names: Names by class id.
        samples: Samples to split, by normalised path (`images/a.jpg`, not `./images/a.jpg`).
        held_out: Samples of a test list that is to stay as it is, likewise.
        repeated: How many lines named a sample that another line had named.
        includes_test: Whether there is a test list and its samples are among `samples`.
    """

    root: Path
    layout: Layout
    class_names: Mapping[int, str]
    samples: Mapping[str, ListLine]
    held_out: Mapping[str, ListLine]
    repeated: int
    includes_test: bool


def read_pool(path: Path, hold_test: bool, layout: Layout | None = None) -> Pool:
    """Read every sample of a dataset.

    Args:
        path: The dataset, in any layout.
        hold_test: Keep the samples of a test list apart.
        layout: Read this layout alone; see `read_dataset`.

    Raises:
        DataError: As `read_valid_dataset`; or a sample has two labels (`E_TWO_LABELS`).
    """
    dataset = read_valid_dataset(path, UNSPLIT, layout)
    print_notes(dataset)
    everything = _once([sample for _, sample in dataset.samples()])
    test = dataset.splits.get("test", ())
    held_out = _once(test) if hold_test else {}
    return Pool(
        dataset.root,
        dataset.layout,
        dataset.class_names,
        {key: item for key, item in everything.items() if key not in held_out},
        held_out,
        repeated=sum(map(len, dataset.splits.values())) - len(everything),
        includes_test=bool(test) and not hold_test,
    )


def _once(samples: Iterable[Sample]) -> dict[str, ListLine]:
    """Return samples by normalised path; of several spellings the first by alphabet is kept."""
    first: dict[str, Sample] = {}
    found: dict[str, ListLine] = {}
    for sample in samples:
        key = normpath(sample.path)
        before = first.setdefault(key, sample)
        if before.label != sample.label:
            raise _two_labels(before, sample)
        listed = ListLine(sample.path, sample.label)
        found[key] = min(found.get(key, listed), listed)
    return found


def _two_labels(one: Sample, other: Sample) -> DataError:
    places = f"{one.file}:{one.line} and {other.file}:{other.line}"
    return DataError(
        f"{other.path} has two labels: {one.label} and {other.label} in {places}",
        code="E_TWO_LABELS",
        hint="keep the line with the right class; `clsctl dataset check` lists every such sample",
    )
