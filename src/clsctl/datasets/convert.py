"""Convert a dataset of any layout to lists beside an `images` folder, or to class folders.

A conversion makes a new folder, which appears when it is complete; nothing is ever overwritten.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Literal

from clsctl.console.progress import no_progress
from clsctl.datasets.copy_images import copy_images
from clsctl.datasets.folder import new_dataset
from clsctl.datasets.layouts.detect import read_valid_dataset
from clsctl.datasets.layouts.folders import read_folders
from clsctl.datasets.list_files import IMAGES, ListLine, write_linked_lists, write_lists
from clsctl.datasets.printing import print_notes
from clsctl.datasets.problems import UNSPLIT, Problem, warning
from clsctl.datasets.samples import Dataset, Layout
from clsctl.errors import DataError
from clsctl.values import Progress

Mode = Literal["copy", "link", "list"]


@dataclass(frozen=True, slots=True)
class ConvertedDataset:
    """A dataset that was made from another one.

    Attributes:
        root: Its folder.
        class_names: Names by class id.
        samples: How many samples each split has.
        warnings: What to know before using it.
    """

    root: Path
    class_names: Mapping[int, str]
    samples: Mapping[str, int]
    warnings: tuple[Problem, ...]


def import_dataset(
    source: Path | str,
    target: Path | str,
    mode: Mode = "copy",
    progress: Progress = no_progress,
    layout: Layout | None = None,
) -> ConvertedDataset:
    """Convert a dataset of any layout to lists beside an `images` folder, as PaddleX reads it.

    Args:
        source: The dataset.
        target: The new folder.
        mode: `copy` the images; `link` them, which takes no space but has to stay on one disk; or
            only write a `list`, with one symbolic link to where the images are.
        progress: Receives the bytes copied, and in all.
        layout: Read this layout alone; see `read_dataset`.

    Raises:
        DataError: The lists have errors (`E_DATASET_INVALID`), an image is missing
            (`E_IMAGE_MISSING`) or two would get one name (`E_SAME_NAME`); there is something at
            `target` already (`E_EXISTS`), or it cannot be written (`E_DATASET_WRITE`).
    """
    dataset, root = read_valid_dataset(Path(source), UNSPLIT, layout), Path(target)
    print_notes(dataset)
    names = _names_below_images(dataset)
    with new_dataset(root) as folder:
        if mode == "list":
            write_linked_lists(folder, dataset.root, dataset.class_names, _lists(dataset))
        else:
            files = {name: path for path, name in names.items()}
            copy_images(dataset, files, folder, mode, progress)
            write_lists(folder, dataset.class_names, _lists(dataset, names))
    return _converted(root, dataset, _import_warnings(dataset, root, names))


def export_dataset(
    source: Path | str,
    target: Path | str,
    mode: Literal["copy", "link"] = "copy",
    progress: Progress = no_progress,
    layout: Layout | None = None,
) -> ConvertedDataset:
    """Convert a dataset of any layout to a folder for each class, below one for each split.

    A file keeps its name; where two would have the same, a number is added.

    Args:
        source: The dataset.
        target: The new folder.
        mode: As for `import_dataset`.
        progress: Likewise.
        layout: Likewise.

    Raises:
        DataError: As `import_dataset`; or a class (`E_CLASS_NAME`) or an image (`E_IMAGE_NAME`)
            has a name that no folder tree can have.
    """
    dataset, root = read_valid_dataset(Path(source), UNSPLIT, layout), Path(target)
    print_notes(dataset)
    _require_folder_names(dataset)
    with new_dataset(root) as folder:
        for split, name in itertools.product(dataset.splits, dataset.class_names.values()):
            (folder / _split_folder(dataset, split) / name).mkdir(parents=True, exist_ok=True)
        files = _files_in_folders(dataset)
        copy_images(dataset, files, folder, mode, progress)
        _require_found_again(files, folder)
    return _converted(root, dataset, _export_warnings(dataset))


def _lists(dataset: Dataset, names: Mapping[str, str] | None = None) -> dict[str, list[ListLine]]:
    """Return the dataset's lists as they are, or with other names by normalised path."""
    return {
        split: [
            ListLine(names[normpath(item.path)] if names else item.path, item.label)
            for item in items
        ]
        for split, items in dataset.splits.items()
    }


def _converted(root: Path, dataset: Dataset, warnings: Iterable[Problem]) -> ConvertedDataset:
    sizes = {split: len(items) for split, items in dataset.splits.items()}
    return ConvertedDataset(root, dataset.class_names, sizes, tuple(warnings))


# ---- what files are called ---------------------------------------------------------------------


def _names_below_images(dataset: Dataset) -> dict[str, str]:
    """Choose the new path of each image, by its normalised path.

    Raises:
        DataError: Two images would get one name, which paths out of the dataset can lead to.
    """
    paths = dict.fromkeys(normpath(sample.path) for _, sample in dataset.samples())
    names = {path: _inside(path) for path in paths}
    if not all(name.startswith(f"{IMAGES}/") for name in names.values()):
        names = {path: f"{IMAGES}/{name}" for path, name in names.items()}
    taken: dict[str, str] = {}
    for path, name in names.items():
        if taken.setdefault(name, path) != path:
            raise DataError(
                f"{taken[name]} and {path} would both be called {name}",
                code="E_SAME_NAME",
                hint="rename one of them, or move both into the dataset's folder",
            )
    return names


def _inside(path: str) -> str:
    """Return the path without what leads out of the dataset."""
    return "/".join(part for part in path.split("/") if part not in ("", ".", ".."))


def _files_in_folders(dataset: Dataset) -> dict[str, str]:
    """Map the new path of each image to its normalised one."""
    files: dict[str, str] = {}
    for split, items in dataset.splits.items():
        for sample in sorted(items, key=lambda sample: sample.path):
            folder = f"{_split_folder(dataset, split)}/{dataset.class_names[sample.label]}"
            path = normpath(sample.path)
            files.setdefault(_free_name(files, folder, path), path)
    return files


def _free_name(files: Mapping[str, str], folder: str, path: str) -> str:
    """Return `a.jpg`, or the first of `a-2.jpg`, `a-3.jpg` ... that no other image has."""
    name = PurePosixPath(path)
    endings = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    candidates = (f"{folder}/{name.stem}{ending}{name.suffix}" for ending in endings)
    return next(candidate for candidate in candidates if files.get(candidate, path) == path)


def _split_folder(dataset: Dataset, split: str) -> str:
    """Return the split's folder; one split alone has none."""
    return split if len(dataset.splits) > 1 else "."


# ---- warnings and refusals ---------------------------------------------------------------------


def _import_warnings(dataset: Dataset, root: Path, names: Mapping[str, str]) -> Iterator[Problem]:
    blanks = [name for name in names.values() if " " in name]
    if blanks:
        yield warning(
            "E_PADDLEX_BLANK",
            f"{len(blanks):,} {'path holds' if len(blanks) == 1 else 'paths hold'} blanks, such as "
            f"'{blanks[0]}', which PaddleX cannot read",
            "clsctl can; rename the images if you need PaddleX",
        )
    if "val" not in dataset.splits:
        yield warning(
            "E_NOT_SPLIT",
            "there are no validation samples yet",
            f"`clsctl dataset split {root}` sets a part aside",
        )


def _export_warnings(dataset: Dataset) -> Iterator[Problem]:
    names = [dataset.class_names[label] for label in sorted(dataset.class_names)]
    if names != sorted(names):
        label, name = next(
            (label, name) for label, name in enumerate(sorted(names)) if names[label] != name
        )
        yield warning(
            "E_CLASS_ORDER",
            f"folders are numbered in alphabetical order, so that ids change: '{name}' becomes "
            f"{label}",
            "do not mix models trained on one with data of the other",
        )


def _require_folder_names(dataset: Dataset) -> None:
    names: Sequence[str] = list(dataset.class_names.values())
    for label, name in dataset.class_names.items():
        if "/" in name or name[0] == "." or "\0" in name or names.count(name) > 1:
            raise DataError(
                f"class {label} is called '{name}', which cannot be the name of its folder",
                code="E_CLASS_NAME",
                hint="give it a name of its own in label.txt that is fit for a folder",
            )


def _require_found_again(files: Mapping[str, str], folder: Path) -> None:
    found = {sample.path for _, sample in read_folders(folder).samples()}
    lost = [path for name, path in files.items() if normpath(name) not in found]
    if lost:
        raise DataError(
            f"a folder tree would lose {len(lost):,} of {len(files):,} images, such as {lost[0]}: "
            "a name starts with a dot, or ends unlike that of an image",
            code="E_IMAGE_NAME",
            hint="rename them, and change the lists to match",
        )
