"""Read class folders: `train/cat/1.jpg`, or `cat/1.jpg` where nothing is split yet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from clsctl.datasets.problems import Problem, problem
from clsctl.datasets.samples import SPLITS, Dataset, Sample
from clsctl.images.formats import SUFFIXES

SPLIT_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
IMAGE_SUFFIXES = SUFFIXES - {".pdf"}


def read_folders(root: Path) -> Dataset:
    """Read a tree; the classes are the folders' names, in alphabetical order.

    Without a `train` folder every folder is a class and everything is training data.
    """
    split_folders = find_split_folders(root)
    named = split_folders or {"train": root}
    names = sorted({folder.name for base in named.values() for folder in subfolders(base)})
    ids = {name: class_id for class_id, name in enumerate(names)}
    splits = {split: tuple(_samples(root, named[split], ids)) for split in SPLITS if split in named}
    problems = _problems(root, named, splits)
    return Dataset(root, "folders", dict(enumerate(names)), splits, tuple(problems))


def find_split_folders(root: Path) -> dict[str, Path]:
    """Find the folders of the splits; none where there is no folder of training data."""
    found = {
        SPLIT_NAMES[folder.name.lower()]: folder
        for folder in subfolders(root)
        if folder.name.lower() in SPLIT_NAMES
    }
    return found if "train" in found else {}


def subfolders(folder: Path) -> list[Path]:
    """List the folders directly below a folder, without hidden ones, by name."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir() and entry.name[0] != "."]
    return [folder / name for name in sorted(names)]


def holds_image(folder: Path) -> bool:
    """Whether there is an image anywhere below a folder."""
    return next(_image_files(folder), None) is not None


def _samples(root: Path, base: Path, ids: Mapping[str, int]) -> Iterator[Sample]:
    for folder in subfolders(base):
        for path in _image_files(folder):
            listed = path.relative_to(root).as_posix()
            yield Sample(listed, ids[folder.name], listed, 0)


def _image_files(folder: Path) -> Iterator[Path]:
    """Find image files at any depth, by name; links to folders are not followed."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name[0] != ".")
        for name in sorted(files):
            if name[0] != "." and Path(name).suffix.lower() in IMAGE_SUFFIXES:
                yield Path(parent, name)


def _problems(
    root: Path, named: Mapping[str, Path], splits: Mapping[str, Iterable[Sample]]
) -> Iterator[Problem]:
    for split, samples in splits.items():
        if not samples:
            folder = named[split].relative_to(root).as_posix()
            yield problem("D_LIST_EMPTY", f"there is no image below {folder}", folder)
    if "val" not in splits:
        yield problem("D_NOT_SPLIT", "there is no folder of validation samples", ".")
