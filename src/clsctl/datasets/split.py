"""Deal a dataset's samples out to train, val and test, or to folds.

Whatever layout the dataset has, the result is lists: label.txt, train.txt, val.txt, test.txt, or
train_1.txt and val_1.txt and so on for folds. A sample that is listed several times is kept once.
A test list that is there stays as it is unless `test` is given, so that no split leaks the samples
that were held out into training.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from posixpath import normpath
from typing import NamedTuple

from clsctl.datasets.apportion import assign
from clsctl.datasets.grouping import Group, find_groups, merge_groups
from clsctl.datasets.layout import read_dataset
from clsctl.datasets.lists import LABEL_FILE, list_file
from clsctl.datasets.problems import Problem
from clsctl.datasets.samples import SPLITS, Dataset, Sample
from clsctl.datasets.write import label_lines, list_lines, replace_lists
from clsctl.errors import DataError, UsageError

# What a split itself puts right; any other error could lose a sample.
_REPAIRED = ("D_LIST_MISSING", "D_LIST_EMPTY", "D_NOT_SPLIT", "D_SPLIT_OVERLAP")
_FOLD_LIST = re.compile(r"(train|val)_[0-9]+\.txt")
_UNIT = 1_000_000  # shares are whole millionths of a percent


class Listed(NamedTuple):
    """A line of a list."""

    path: str
    label: int


@dataclass(frozen=True)
class SplitResult:
    """What a split did, or with `dry_run` would do.

    Attributes:
        root: The folder that the lists are in.
        lists: The samples of each new list, by its name without `.txt`, in order of path.
        held_out: The samples of a test list that stayed as it was.
        repeated: How many lines named a sample that another line had named.
        warnings: What a person should know before training on it.
        backups: Names of the backups by name of the old file; empty after a dry run.
    """

    root: Path
    class_names: Mapping[int, str]
    lists: Mapping[str, tuple[Listed, ...]]
    held_out: tuple[Listed, ...]
    seed: int
    repeated: int
    warnings: tuple[Problem, ...]
    backups: Mapping[str, str]

    def counts(self) -> dict[str, Counter[int]]:
        """Samples by class id, by list; `test` includes the samples held out."""
        lists = {**self.lists, **({"test": self.held_out} if self.held_out else {})}
        return {name: Counter(item.label for item in items) for name, items in lists.items()}


def split_dataset(
    path: Path | str,
    *,
    train: float | None = None,
    val: float | None = None,
    test: float | None = None,
    kfold: int | None = None,
    seed: int = 0,
    stratify: bool = True,
    group: Group | None = None,
    dedupe_groups: bool = False,
    dry_run: bool = False,
) -> SplitResult:
    """Deal the samples of a dataset out anew; old lists are kept as `.bak` files.

    The same seed gives the same lists, byte for byte, whatever the order of the old ones. The new
    lists appear all at once or, if the process is killed, not at all.

    Args:
        path: The dataset, in any layout.
        train: Percentage for training; what the others leave if only they are given, else 90.
        val: Percentage for validation; what `train` leaves, else 10.
        test: Percentage for test. None leaves a test list as it is; 0 deals its samples out.
        kfold: Write this many folds instead: `val_K.txt` is fold K, `train_K.txt` the others.
        seed: Another seed, another split.
        stratify: Share out every class, to within one sample a class and list.
        group: What shows one object stays in one list: see `clsctl.datasets.grouping`.
        dedupe_groups: Images that are nearly the same stay in one list.
        dry_run: Write nothing.

    Raises:
        UsageError: The percentages do not sum to 100 (`E_SPLIT_PERCENT`), or the groups are
            unusable (`E_SPLIT_GROUP`).
        DataError: The lists have errors (`E_DATASET_INVALID`), a sample has two labels
            (`E_SPLIT_TWO_LABELS`), a list would be empty (`E_SPLIT_EMPTY_SIDE`), or the folder
            cannot be written (`E_DATASET_WRITE`); the old lists are as they were.
    """
    shares = _folds(kfold, train, val, test) if kfold is not None else _shares(train, val, test)
    dataset = _read(Path(path))
    pool, held_out = _pool(dataset, hold_test=test is None)
    groups = _groups(dataset.root, pool, held_out, group, dedupe_groups)
    labels = {key: item.label for key, item in pool.items()}
    placed = assign(labels, shares, seed=seed, stratify=stratify, groups=groups)
    sides = {name: [key for key in placed if placed[key] == name] for name in shares}
    _require_samples(sides, shares, len(pool))
    result = SplitResult(
        root=dataset.root,
        class_names=dataset.class_names,
        lists=_lists(sides, pool, kfold),
        held_out=tuple(held_out.values()),
        seed=seed,
        repeated=sum(1 for _ in dataset.samples()) - len(pool) - len(held_out),
        warnings=(),
        backups={},
    )
    warnings = tuple(_warnings(result, shares, labels, placed, groups, held_out))
    backups = {} if dry_run else replace_lists(dataset.root, _files(dataset, result, test))
    return replace(result, warnings=warnings, backups=backups)
