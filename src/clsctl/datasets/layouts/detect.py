"""Find a dataset on disk and read it, whichever of the three layouts it has.

- lists: `label.txt`, `train.txt`, `val.txt`, perhaps `test.txt` (PaddleX calls it ClsDataset);
- folders: a folder for each class, perhaps below `train`, `val` and `test`;
- table: a CSV, TSV or Parquet file with columns `path`, `label` and perhaps `split`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from clsctl.datasets.layouts.folders import (
    SPLIT_NAMES,
    holds_tree,
    leftover_problems,
    read_folders,
    subfolders,
)
from clsctl.datasets.layouts.lists import LABEL_FILE, find_lists, read_lists
from clsctl.datasets.layouts.table import TABLE_SUFFIXES, read_tables, table_error
from clsctl.datasets.problems import Problem, problem
from clsctl.datasets.samples import Dataset, Layout
from clsctl.errors import DataError
from clsctl.images.junk import is_ignored, is_leftover
from clsctl.paths import is_dir, is_file, printable, why_missing


def read_dataset(path: Path, layout: Layout | None = None) -> Dataset:
    """Read a dataset's lists, folders or table.

    What is wrong with the data never raises: it becomes a problem of the dataset. Images are not
    opened.

    Args:
        path: The dataset's folder, a folder that holds nothing else, or a table.
        layout: Read this layout alone; otherwise lists come before tables, and these before
            folders.

    Raises:
        DataError: There is nothing at the path (`E_DATASET_NOT_FOUND`), or nothing that is one of
            the layouts (`E_DATASET_LAYOUT`); or a folder, list or table cannot be read
            (`E_DATASET_UNREADABLE`, `E_EXTRA_MISSING`).
    """
    try:
        return _read(path, layout)
    except OSError as error:
        raise DataError(
            f"cannot read {error.filename or path}: {error.strerror or error}",
            code="E_DATASET_UNREADABLE",
            hint="the dataset's folder, lists and class folders must be readable to you",
        ) from None


def read_valid_dataset(
    path: Path, tolerated: Collection[str] = (), layout: Layout | None = None
) -> Dataset:
    """Read a dataset of which the lists must be sound, for work that relies on them.

    Args:
        path: As for `read_dataset`.
        tolerated: Codes of errors that do not matter to the caller, in lists of samples.
        layout: As for `read_dataset`.

    Raises:
        DataError: As `read_dataset`; or a list has an error (`E_DATASET_INVALID`).
    """
    dataset = read_dataset(path, layout)
    errors = [
        one
        for one in dataset.problems
        if one.severity == "error" and (one.code not in tolerated or one.file == LABEL_FILE)
    ]
    require_valid(dataset.root, errors, path)
    return dataset


def require_valid(root: Path, errors: Sequence[Problem], path: Path) -> None:
    """Raise DataError where there are errors (`E_DATASET_INVALID`), which names the first."""
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise DataError(
            f"{root} is not valid: {errors[0].where}: {errors[0].message}{more}",
            code="E_DATASET_INVALID",
            hint=f"`clsctl dataset check {path}` lists every problem with its fix",
        )


def _read(path: Path, layout: Layout | None) -> Dataset:
    if is_file(path):
        if path.suffix.lower() in TABLE_SUFFIXES and layout in (None, "table"):
            return read_tables(path.parent, [path])
        if layout in (None, "table"):
            raise _no_layout(path, f"a file that is no {', '.join(TABLE_SUFFIXES)} table")
        raise _no_layout(path, "a file", layout)
    if not is_dir(path):
        raise DataError(
            f"there is no dataset at {path}: {why_missing(path)}",
            code="E_DATASET_NOT_FOUND",
            hint="give the folder that holds label.txt, a folder of class folders, or a table",
        )
    dataset = _read_folder(path, layout)
    if dataset is None:
        raise _no_layout(path, _contents(path), layout)
    return dataset


def _read_folder(folder: Path, layout: Layout | None) -> Dataset | None:
    """Read the first layout that is there, in this folder or in the only one below it."""
    allowed = (layout,) if layout else ("lists", "table", "folders")
    if "lists" in allowed and find_lists(folder):
        return read_lists(folder)
    files = _table_files(folder)
    errors = {path: error for path in files if (error := table_error(path))}
    tables = [path for path in files if path not in errors]
    children = subfolders(folder)
    if "table" in allowed and tables:
        dataset: Dataset | None = read_tables(folder, _choose(folder, tables))
    elif "folders" in allowed and holds_tree(folder):
        dataset = _with(read_folders(folder), _unused_label_file(folder))
    elif "lists" in allowed and is_file(folder / LABEL_FILE):
        dataset = read_lists(folder)
    elif len(children) == 1:
        dataset = _read_wrapped(folder, children[0], layout)
    else:
        dataset = None
    if "table" not in allowed:
        return dataset
    if dataset is None and errors:
        raise next(iter(errors.values()))
    return dataset and _with_unused_tables(dataset, folder, errors)


def _unused_label_file(folder: Path) -> Iterator[Problem]:
    if is_file(folder / LABEL_FILE):
        message = f"{LABEL_FILE} is not used: there is no list beside it, but class folders"
        yield problem("D_LABEL_FILE_UNUSED", message, LABEL_FILE)


def _read_wrapped(folder: Path, child: Path, layout: Layout | None) -> Dataset | None:
    """Read the only folder in a folder: a download left the outer one around it."""
    dataset = _read_folder(child, layout)
    if dataset is None:
        return None
    outer, inner = printable(folder.name), printable(child.name)
    message = f"{inner} in {outer or folder} is read, because there is no other folder beside it"
    notes = [] if _is_wrapped(dataset) else [problem("D_WRAPPED", message, inner)]
    return _with(dataset, [*notes, *leftover_problems(folder, _leftovers(folder))])


def _is_wrapped(dataset: Dataset) -> bool:
    return any(
        one.code == "D_WRAPPED" and one.file == dataset.root.name for one in dataset.problems
    )


def _with_unused_tables(dataset: Dataset, folder: Path, errors: dict[Path, DataError]) -> Dataset:
    """Add a note for each table that was passed over, where something else can be read."""
    notes = [
        problem("D_TABLE_UNUSED", f"{path.name} is not used: {error.message}", path.name)
        for path, error in errors.items()
    ]
    if dataset.layout == "table":
        notes += leftover_problems(folder, _leftovers(folder))
    return _with(dataset, notes)


def _with(dataset: Dataset, problems: Iterable[Problem]) -> Dataset:
    return replace(dataset, problems=(*dataset.problems, *problems))


def _leftovers(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_leftover(path.name))


def _table_files(folder: Path) -> list[Path]:
    visible = (path for path in folder.iterdir() if not is_ignored(path.name))
    return sorted(path for path in visible if path.suffix.lower() in TABLE_SUFFIXES)


def _choose(folder: Path, tables: Sequence[Path]) -> Sequence[Path]:
    """Return the table of a folder, or the tables that are named after the splits.

    Raises:
        DataError: There are several of which none can be preferred (`E_DATASET_LAYOUT`).
    """
    if len(tables) == 1 or all(path.stem.lower() in SPLIT_NAMES for path in tables):
        return tables
    names = ", ".join(path.name for path in tables)
    raise DataError(
        f"{folder} holds several tables: {names}",
        code="E_DATASET_LAYOUT",
        hint=f"name the one you mean: `clsctl dataset check {tables[0]}`; `--layout folders` "
        "reads the class folders beside them",
    )


def _no_layout(path: Path, found: str, layout: Layout | None = None) -> DataError:
    if layout:
        return DataError(
            f"{path} cannot be read with --layout {layout}: found {found}",
            code="E_DATASET_LAYOUT",
            hint="leave --layout out to see what can be read",
        )
    return DataError(
        f"{path} has no layout that clsctl knows: found {found}",
        code="E_DATASET_LAYOUT",
        hint="use label.txt with train.txt and val.txt, a folder of images for each class "
        "(perhaps below train, val and test), or a CSV or Parquet table with columns path, label",
    )


def _contents(folder: Path) -> str:
    names = sorted(f"{path.name}/" if is_dir(path) else path.name for path in folder.iterdir())
    if not names:
        return "an empty folder"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
