"""Split a dataset's samples into train, val and test, or into folds.

Whatever layout the dataset has, the result is lists: label.txt, train.txt, val.txt and perhaps
test.txt beside its images. Folds are datasets of their own in a new folder, each with a link to
the images. A sample that is listed several times is kept once. A test list that is there stays as
it is unless a share for it is given, so that what was held out never leaks into training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from clsctl.console.progress import no_progress
from clsctl.datasets.atomic_lists import replace_lists
from clsctl.datasets.folder import new_dataset
from clsctl.datasets.layouts.lists import LABEL_FILE, list_file
from clsctl.datasets.list_files import ListLine, label_text, list_text, write_linked_lists
from clsctl.datasets.problems import Problem
from clsctl.datasets.samples import SPLITS, Layout
from clsctl.datasets.split.groups import Group, Groups, group_samples
from clsctl.datasets.split.pool import Pool, read_pool
from clsctl.datasets.split.stratify import assign
from clsctl.datasets.split.warnings import find_warnings
from clsctl.errors import DataError, UsageError
from clsctl.paths import is_file
from clsctl.values import Progress


@dataclass(frozen=True, slots=True)
class SplitResult:
    """What a split did, or would do if it was a dry run.

    Attributes:
        root: The folder of the dataset, or of the folds.
        class_names: Names by class id.
        shares: What each split should hold, in percent, by name: `train` or `fold_1` and so on.
        splits: The samples of each split, in order of path.
        held_out: The samples of a test list that stays as it is.
        repeated: How many lines named a sample that another line had named.
        warnings: What to know before training on it.
        backups: Names of the backups by name of the old file.
    """

    root: Path
    class_names: Mapping[int, str]
    shares: Mapping[str, float]
    splits: Mapping[str, tuple[ListLine, ...]]
    held_out: tuple[ListLine, ...]
    repeated: int
    warnings: tuple[Problem, ...]
    backups: Mapping[str, str]


def split_dataset(
    path: Path | str,
    *,
    layout: Layout | None = None,
    train: float | None = None,
    val: float | None = None,
    test: float | None = None,
    seed: int = 0,
    stratify: bool = True,
    group: Group | None = None,
    dedupe_groups: bool = False,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> SplitResult:
    """Split a dataset and write its new lists.

    The same seed gives the same lists, byte for byte, whatever the order of the old ones. The new
    lists appear all at once, or not at all if the process is killed. The old ones are kept as
    `train.txt.bak`, `train.txt.bak1` and so on.

    Args:
        path: The dataset, in any layout.
        layout: Read this layout alone; see `read_dataset`.
        train: Percentage for training; by default what `val` and `test` leave.
        val: Percentage for validation; by default 10, or what `train` and `test` leave.
        test: Percentage for test; None leaves a test list as it is, 0 splits its samples as well.
        seed: Another seed gives another split.
        stratify: Share out every class to within one sample a split, not only the whole.
        group: What shows one object and stays in one split, see `groups.find_groups`.
        dedupe_groups: Images that are nearly the same stay in one split.
        dry_run: Write nothing.
        progress: Receives the images looked at for `dedupe_groups`.

    Raises:
        UsageError: The percentages do not sum to 100 (`E_SPLIT_PERCENT`), or the groups are
            unusable (`E_SPLIT_GROUP`).
        DataError: The lists have errors (`E_DATASET_INVALID`, `E_TWO_LABELS`), a split would be
            empty (`E_SPLIT_EMPTY_SIDE`), or the folder cannot be written (`E_DATASET_WRITE`).
    """
    shares = _percentages(train, val, test)
    pool = read_pool(Path(path), test is None, layout)
    groups = group_samples(pool, group, dedupe_groups, progress)
    result = _split_pool(pool, shares, seed, stratify, groups)
    if dry_run:
        return result
    return replace(result, backups=replace_lists(result.root, _files(result, pool)))


def make_folds(
    path: Path | str,
    output: Path | str | None = None,
    *,
    layout: Layout | None = None,
    folds: int = 5,
    seed: int = 0,
    stratify: bool = True,
    group: Group | None = None,
    dedupe_groups: bool = False,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> SplitResult:
    """Make datasets `fold_1`, `fold_2` ... for cross-validation, each with a link to the images.

    In `fold_K` the validation samples are the K-th part of all, the training samples the rest.
    Samples of a test list are in no part; each fold has the same test list.

    Args:
        path: The dataset, in any layout; it stays as it is.
        output: The new folder for the folds; by default beside the dataset, `NAME-folds`.
        layout: Read this layout alone; see `read_dataset`.
        folds: How many.
        seed: Another seed gives other folds.
        stratify: Share out every class to within one sample a fold, not only the whole.
        group: What shows one object and stays in one fold, see `groups.find_groups`.
        dedupe_groups: Images that are nearly the same stay in one fold.
        dry_run: Write nothing.
        progress: Receives the images looked at for `dedupe_groups`.

    Raises:
        UsageError: There are less than two folds (`E_SPLIT_FOLDS`), or the groups are unusable.
        DataError: As `split_dataset`; or there is something at `output` already (`E_EXISTS`).
    """
    if folds < 2:
        raise UsageError(
            f"cross-validation needs 2 folds or more, not {folds}", code="E_SPLIT_FOLDS"
        )
    shares = {f"fold_{number}": Fraction(100, folds) for number in range(1, folds + 1)}
    pool = read_pool(Path(path), True, layout)
    groups = group_samples(pool, group, dedupe_groups, progress)
    root = Path(output) if output else Path(f"{pool.root.absolute()}-folds")
    result = replace(_split_pool(pool, shares, seed, stratify, groups), root=root)
    if not dry_run:
        with new_dataset(result.root) as folder:
            for name in result.splits:
                (folder / name).mkdir()
                lists = _fold_lists(result, name)
                write_linked_lists(folder / name, pool.root, result.class_names, lists)
    return result


def hold_out(
    path: Path | str,
    output: Path,
    *,
    layout: Layout | None = None,
    val: float,
    seed: int = 0,
    progress: Progress = no_progress,
) -> SplitResult:
    """Make a dataset whose training images are another's, but for a part to validate with.

    Nearly equal images are in the same part. The other dataset stays as it is; the new one has a
    link to its images.

    Args:
        path: The dataset, in any layout.
        output: The folder to make.
        layout: Read this layout alone; see `read_dataset`.
        val: Percentage for validation.
        seed: Another seed gives another split.
        progress: Receives the images looked at.

    Raises:
        DataError: As `make_folds`.
    """
    pool = read_pool(Path(path), True, layout)
    groups = group_samples(pool, None, True, progress)
    result = _split_pool(pool, _percentages(None, val, None), seed, True, groups)
    lists = {**result.splits, "test": result.held_out} if result.held_out else result.splits
    with new_dataset(output) as folder:
        write_linked_lists(folder, pool.root, result.class_names, lists)
    return replace(result, root=output)


# ---- the steps ---------------------------------------------------------------------------------


def _percentages(train: float | None, val: float | None, test: float | None) -> dict[str, Fraction]:
    """Compute the share of each split that gets one; exact, so that 33.3 + 33.3 + 33.4 is 100.

    Raises:
        UsageError: They do not sum to 100, or a split that training needs gets nothing.
    """
    given = {"train": train, "val": val, "test": test or 0}
    for name, percentage in given.items():
        if percentage is not None and not 0 <= percentage <= 100:
            raise _percent_error(f"--{name} {percentage:g} is no percentage from 0 to 100")
    exact = {name: Fraction(str(value)) for name, value in given.items() if value is not None}
    if train is None and val is None:
        exact["val"] = Fraction(10)
    for name in ("train", "val"):
        exact.setdefault(name, Fraction(100) - sum(exact.values()))
    shares = {name: exact[name] for name in SPLITS}
    shown = ", ".join(f"{name} {float(share):g}" for name, share in shares.items() if share)
    if sum(shares.values()) != 100:
        raise _percent_error(f"the percentages sum to {float(sum(shares.values())):g}: {shown}")
    if min(shares["train"], shares["val"]) <= 0:
        raise _percent_error(f"training needs samples in train and in val, but this is {shown}")
    return {name: share for name, share in shares.items() if share}


def _percent_error(message: str) -> UsageError:
    return UsageError(
        message,
        code="E_SPLIT_PERCENT",
        hint="give percentages that sum to 100, such as --train 80 --val 10 --test 10; of --train "
        "and --val, one that is left out takes the rest",
    )


def _split_pool(
    pool: Pool, shares: Mapping[str, Fraction], seed: int, stratify: bool, groups: Groups
) -> SplitResult:
    labels = {key: item.label for key, item in pool.samples.items()}
    millionths = {name: round(share * 1_000_000) for name, share in shares.items()}
    placed = assign(labels, millionths, seed=seed, stratify=stratify, groups=groups.names)
    splits: dict[str, list[ListLine]] = {name: [] for name in shares}
    for key, name in placed.items():
        splits[name].append(pool.samples[key])
    for name, lines in splits.items():
        if not lines:
            raise _empty_split(name, shares[name], pool, groups)
    percent = {name: float(share) for name, share in shares.items()}
    return SplitResult(
        root=pool.root,
        class_names=pool.class_names,
        shares=percent,
        splits={name: tuple(lines) for name, lines in splits.items()},
        held_out=tuple(pool.held_out[key] for key in sorted(pool.held_out)),
        repeated=pool.repeated,
        warnings=tuple(find_warnings(pool, placed, percent, groups, stratify)),
        backups={},
    )


def _empty_split(name: str, share: Fraction, pool: Pool, groups: Groups) -> DataError:
    count = len(pool.samples)
    reason = f"{float(share):g} % of {count} {'sample' if count == 1 else 'samples'} is too little"
    if groups.names:
        reason += ", or the groups that stay together are too large"
    return DataError(
        f"{name} would be empty: {reason}",
        code="E_SPLIT_EMPTY_SIDE",
        hint="add samples, give it a larger percentage, or ask for fewer folds",
    )


def _files(result: SplitResult, pool: Pool) -> dict[str, str | None]:
    """Return content by file name; None for a test list of which the samples were split too."""
    test = list_file("test")
    files: dict[str, str | None] = {
        list_file(name): list_text(lines) for name, lines in result.splits.items()
    }
    if pool.layout != "lists" or not is_file(pool.root / LABEL_FILE):
        files[LABEL_FILE] = label_text(result.class_names)
    if result.held_out and not (pool.layout == "lists" and is_file(pool.root / test)):
        files[test] = list_text(result.held_out)
    if pool.layout == "lists" and pool.includes_test:
        files.setdefault(test, None)
    return files


def _fold_lists(result: SplitResult, fold: str) -> dict[str, Sequence[ListLine]]:
    others = (lines for name, lines in result.splits.items() if name != fold)
    train = sorted(line for lines in others for line in lines)
    lists: dict[str, Sequence[ListLine]] = {"train": train, "val": result.splits[fold]}
    return lists | ({"test": result.held_out} if result.held_out else {})
