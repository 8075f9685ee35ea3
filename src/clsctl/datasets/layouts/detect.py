"""Find a dataset on disk and read it, whichever of the three layouts it has.

- lists: `label.txt`, `train.txt`, `val.txt`, perhaps `test.txt` (PaddleX calls it ClsDataset);
- folders: a folder for each class, perhaps below `train`, `val` and `test`;
- table: a CSV, TSV or Parquet file with columns `path`, `label` and perhaps `split`.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from clsctl.datasets.layouts.folders import (
    SPLIT_NAMES,
    find_split_folders,
    holds_image,
    read_folders,
    subfolders,
)
from clsctl.datasets.layouts.lists import LABEL_FILE, list_file, read_lists
from clsctl.datasets.layouts.table import TABLE_SUFFIXES, read_tables
from clsctl.datasets.samples import SPLITS, Dataset
from clsctl.errors import DataError


def read_dataset(path: Path) -> Dataset:
    """Read a dataset's lists, folders or table.

    What is wrong with the data never raises: it becomes a problem of the dataset. Images are not
    opened.

    Args:
        path: The dataset's folder, a folder that holds nothing else, or a table.

    Raises:
        DataError: There is nothing at the path (`E_DATASET_NOT_FOUND`), or nothing that is one of
            the layouts (`E_DATASET_LAYOUT`); or a folder, list or table cannot be read
            (`E_DATASET_UNREADABLE`, `E_EXTRA_MISSING`).
    """
    try:
        return _read(path)
    except OSError as error:
        raise DataError(
            f"cannot read {error.filename or path}: {error.strerror or error}",
            code="E_DATASET_UNREADABLE",
            hint="the dataset's folder, lists and class folders must be readable to you",
        ) from None


def read_valid_dataset(path: Path, tolerated: Collection[str] = ()) -> Dataset:
    """Read a dataset of which the lists must be sound, for work that relies on them.

    Args:
        path: As for `read_dataset`.
        tolerated: Codes of errors that do not matter to the caller.

    Raises:
        DataError: As `read_dataset`; or a list has an error (`E_DATASET_INVALID`).
    """
    dataset = read_dataset(path)
    errors = [
        problem
        for problem in dataset.problems
        if problem.severity == "error" and problem.code not in tolerated
    ]
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise DataError(
            f"{dataset.root} is not valid: {errors[0].where}: {errors[0].message}{more}",
            code="E_DATASET_INVALID",
            hint=f"`clsctl dataset check {path}` lists every problem with its fix",
        )
    return dataset


def _read(path: Path) -> Dataset:
    if path.is_file():
        if path.suffix.lower() in TABLE_SUFFIXES:
            return read_tables(path.parent, [path])
        raise _no_layout(path, f"a file that is no {', '.join(TABLE_SUFFIXES)} table")
    if not path.is_dir():
        raise DataError(
            f"there is no dataset at {path}",
            code="E_DATASET_NOT_FOUND",
            hint="give the folder that holds label.txt, a folder of class folders, or a table",
        )
    dataset = _read_folder(path)
    if dataset is None:
        raise _no_layout(path, _contents(path))
    return dataset


def _read_folder(folder: Path) -> Dataset | None:
    if any((folder / list_file(split)).is_file() for split in SPLITS):
        return read_lists(folder)
    tables = _tables(folder)
    if tables:
        return read_tables(folder, tables)
    if (folder / LABEL_FILE).is_file():
        return read_lists(folder)
    if find_split_folders(folder):
        return read_folders(folder)
    children = subfolders(folder)
    # One folder alone cannot be a class: it is what a tar or a download left around the dataset.
    if len(children) == 1:
        return _read_folder(children[0])
    if any(map(holds_image, children)):
        return read_folders(folder)
    return None


def _tables(folder: Path) -> list[Path]:
    """Find the table of a folder, or the tables that are named after the splits.

    Raises:
        DataError: There are several of which none can be preferred (`E_DATASET_LAYOUT`).
    """
    tables = sorted(path for path in folder.iterdir() if path.suffix.lower() in TABLE_SUFFIXES)
    if len(tables) < 2 or all(path.stem.lower() in SPLIT_NAMES for path in tables):
        return tables
    names = ", ".join(path.name for path in tables)
    raise DataError(
        f"{folder} holds several tables: {names}",
        code="E_DATASET_LAYOUT",
        hint=f"name the one you mean: `clsctl dataset check {tables[0]}`",
    )


def _no_layout(path: Path, found: str) -> DataError:
    return DataError(
        f"{path} has no layout that clsctl knows: found {found}",
        code="E_DATASET_LAYOUT",
        hint="use label.txt with train.txt and val.txt, a folder of images for each class "
        "(perhaps below train, val and test), or a CSV or Parquet table with columns path, label",
    )


def _contents(folder: Path) -> str:
    names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
    if not names:
        return "an empty folder"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
