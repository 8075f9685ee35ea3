"""Read class folders: `train/cat/1.jpg`, or `cat/1.jpg` where nothing is split yet."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from clsctl.datasets.problems import Problem, problem
from clsctl.datasets.samples import SPLITS, Dataset, Sample
from clsctl.images.formats import HEIF_SUFFIXES, SUFFIXES, count_suffixes
from clsctl.images.junk import is_ignored, is_leftover
from clsctl.installation import install_hint
from clsctl.paths import is_dir, printable

SPLIT_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
IMAGE_SUFFIXES = SUFFIXES - {".pdf"}
_LISTED = 4
_KINDS = {"train": "training", "val": "validation", "test": "test"}
_WORDS_WITHOUT_MEANING = frozenset({"data", "dataset", "images", "imgs", "seg", "set", "split"})


@dataclass
class _PassedOver:
    """What was found in class folders and is no image.

    Attributes:
        leftovers: Left by a system or a program.
        suffixes: How many other files there are, by ending.
    """

    leftovers: list[Path] = field(default_factory=list)
    suffixes: Counter[str] = field(default_factory=Counter)


def read_folders(root: Path) -> Dataset:
    """Read a tree; the classes are the folders' names, in alphabetical order.

    Without a folder of training data every folder is a class and everything is training data.
    """
    problems: list[Problem] = []
    passed_over = _PassedOver([path for path in _entries(root) if is_leftover(path.name)])
    bases = _find_bases(root, problems)
    names = sorted({folder.name for base in bases.values() for folder in subfolders(base)})
    ids = {name: class_id for class_id, name in enumerate(names)}
    splits = {
        split: tuple(_samples(root, bases[split], ids, passed_over))
        for split in SPLITS
        if split in bases
    }
    class_names = {class_id: printable(name) for name, class_id in ids.items()}
    problems += _unprintable_names(ids)
    problems += _split_problems(root, bases, splits)
    problems += _deep_classes(splits.get("train", ()), bases["train"], root)
    problems += _skipped_files(passed_over.suffixes, splits)
    problems += leftover_problems(root, passed_over.leftovers)
    return Dataset(root, "folders", class_names, splits, tuple(problems))


def holds_tree(folder: Path) -> bool:
    """Whether a folder holds folders of splits, or at least two class folders."""
    children = subfolders(folder)
    if len(children) == 1:
        # One folder alone is no class: it is what a tar or a download left around the dataset.
        return bool(find_split_folders(folder)) and not find_split_folders(children[0])
    return bool(find_split_folders(folder)) or any(map(holds_image, children))


def find_split_folders(root: Path) -> dict[str, list[Path]]:
    """Find the folders of each split; none where there is no folder of training data.

    A `train` that holds images beside other folders of images is the class of that name.
    """
    found: dict[str, list[Path]] = {}
    others: list[Path] = []
    for folder in subfolders(root):
        split = split_of(folder.name)
        (found.setdefault(split, []) if split else others).append(folder)
    if "train" not in found:
        return {}
    labelled = any(subfolders(folder) for folder in found["train"])
    return {} if not labelled and any(map(holds_image, others)) else found


def split_of(folder: str) -> str | None:
    """Return the split that a folder's name stands for: `val`, `Test_Set`, `seg_train`."""
    words = set(re.split(r"[^a-z]+", folder.lower())) - _WORDS_WITHOUT_MEANING
    return SPLIT_NAMES.get(words.pop()) if len(words) == 1 else None


def subfolders(folder: Path) -> list[Path]:
    """List the folders directly below a folder, by name, without hidden and left over ones."""
    return [path for path in _entries(folder) if is_dir(path) and not is_ignored(path.name)]


def holds_image(folder: Path) -> bool:
    """Whether there is an image anywhere below a folder."""
    return next(_image_files(folder, _PassedOver()), None) is not None


def leftover_problems(root: Path, leftovers: Sequence[Path]) -> Iterator[Problem]:
    """Report once what systems and programs left in a dataset."""
    if leftovers:
        first = leftovers[0].relative_to(root).as_posix()
        more = f" and {len(leftovers) - 1:,} more" if len(leftovers) > 1 else ""
        message = f"{first}{more}: left by a system or a program, and not looked at"
        yield problem("D_LEFTOVER", message, first)


# ---- which folder holds the classes --------------------------------------------------------------


def _find_bases(root: Path, problems: list[Problem]) -> dict[str, Path]:
    """Find the folder of each split that holds its class folders."""
    named = find_split_folders(root)
    if not named:
        problems += _split_classes(root)
        problems += _loose_images(root, root)
        return {"train": root}
    problems += _several_folders(root, named)
    problems += _unused_folders(root, named)
    bases: dict[str, Path] = {}
    for split in filter(named.__contains__, SPLITS):  # train first
        base = _unwrap(root, named[split][0], problems)
        if split == "test" and _is_unlabelled(base, bases["train"]):
            images = sum(1 for _ in _image_files(base, _PassedOver()))
            problems.append(_unlabelled(root, base, images))
            continue
        problems += _loose_images(root, base)
        if split == "train" or subfolders(base) or not _loose(base):
            bases[split] = base
    return bases


def _unwrap(root: Path, base: Path, problems: list[Problem]) -> Path:
    """Follow `train/train` to the folder that holds the classes."""
    inner = subfolders(base)
    if len(inner) != 1 or split_of(inner[0].name) != split_of(base.name):
        return base
    where = inner[0].relative_to(root).as_posix()
    outer = base.relative_to(root).as_posix()
    message = f"{where} is read, because {outer} holds no other folder"
    problems.append(problem("D_WRAPPED", message, outer))
    return _unwrap(root, inner[0], problems)


def _several_folders(root: Path, named: Mapping[str, Sequence[Path]]) -> Iterator[Problem]:
    for split, folders in named.items():
        if len(folders) > 1:
            names = " and ".join(folder.name for folder in folders)
            message = f"{names} are all folders of {_KINDS[split]} samples"
            yield problem("D_SPLIT_FOLDERS", message, folders[1].relative_to(root).as_posix())


def _unused_folders(root: Path, named: Mapping[str, Sequence[Path]]) -> Iterator[Problem]:
    used = {folder for folders in named.values() for folder in folders}
    for folder in subfolders(root):
        if folder not in used and holds_image(folder):
            message = f"{folder.name} holds images, but is the folder of no split: it is not used"
            yield problem("D_FOLDER_UNUSED", message, folder.name)


def _split_classes(root: Path) -> Iterator[Problem]:
    for folder in subfolders(root):
        if folder.name.lower() in SPLIT_NAMES:
            message = (
                f"'{folder.name}' is read as a class, because no folder holds a training split"
            )
            yield problem("D_SPLIT_CLASS", message, folder.name)


def _is_unlabelled(base: Path, train: Path) -> bool:
    """Whether all images lie in the one folder `test/images`, which is no class."""
    names = [folder.name for folder in subfolders(base)]
    return len(names) == 1 and not is_dir(train / names[0])


def _loose_images(root: Path, base: Path) -> Iterator[Problem]:
    loose = _loose(base)
    if loose:
        yield _unlabelled(root, base, len(loose))


def _unlabelled(root: Path, base: Path, images: int) -> Problem:
    where = base.relative_to(root).as_posix()
    name = base.name if where == "." else where
    number = f"{images:,} {'image' if images == 1 else 'images'}"
    message = f"{name} holds {number} outside of any class folder, not used"
    return problem("D_UNLABELLED", message, where)


# ---- files ---------------------------------------------------------------------------------------


def _samples(
    root: Path, base: Path, ids: Mapping[str, int], passed_over: _PassedOver
) -> Iterator[Sample]:
    if base != root:
        passed_over.leftovers += [path for path in _entries(base) if is_leftover(path.name)]
    for folder in subfolders(base):
        for path in _image_files(folder, passed_over):
            listed = path.relative_to(root).as_posix()
            yield Sample(listed, ids[folder.name], listed, 0)


def _image_files(folder: Path, passed_over: _PassedOver) -> Iterator[Path]:
    """Find image files at any depth, by name; links to folders are not followed.

    Raises:
        OSError: A folder cannot be read.
    """
    for parent, folders, files in os.walk(folder, onerror=_raise):
        names = (*folders, *files)
        passed_over.leftovers += [Path(parent, name) for name in names if is_leftover(name)]
        folders[:] = sorted(name for name in folders if not is_ignored(name))
        for name in sorted(files):
            if _is_image(name):
                yield Path(parent, name)
            elif not is_ignored(name):
                passed_over.suffixes[Path(name).suffix.lower()] += 1


def _raise(error: OSError) -> None:
    raise error


def _loose(base: Path) -> list[Path]:
    """List the images that lie in a folder directly."""
    return [path for path in _entries(base) if _is_image(path.name) and not is_dir(path)]


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def _is_image(name: str) -> bool:
    return not is_ignored(name) and Path(name).suffix.lower() in IMAGE_SUFFIXES


def _unprintable_names(names: Iterable[str]) -> Iterator[Problem]:
    for name in names:
        if printable(name) != name:
            message = f"the name of the folder '{printable(name)}' holds bytes that are not UTF-8"
            yield problem("D_ENCODING", message, printable(name), hint="rename the folder")


def _deep_classes(samples: Sequence[Sample], base: Path, root: Path) -> Iterator[Problem]:
    """Report where no class folder holds an image itself, so that the next ones may be meant."""
    depth = len(base.relative_to(root).parts)

    def folders(sample: Sample) -> list[str]:
        return sample.path.split("/")[depth:-1]

    if not samples or any(len(folders(sample)) < 2 for sample in samples):
        return
    classes, deeper = (sorted({folders(sample)[level] for sample in samples}) for level in (0, 1))
    message = (
        f"the classes are {_listed(classes)}, which hold no images themselves but in folders: "
        f"{_listed(deeper)}"
    )
    yield problem("D_DEEP_CLASSES", message, base.relative_to(root).as_posix())


def _listed(names: Sequence[str]) -> str:
    more = " ..." if len(names) > _LISTED else ""
    return ", ".join(map(printable, names[:_LISTED])) + more


def _skipped_files(
    suffixes: Counter[str], splits: Mapping[str, Sequence[Sample]]
) -> Iterator[Problem]:
    """Report once the files in class folders that are no images, or cannot be read here."""
    if suffixes:
        message = f"skipped what is no image: {count_suffixes(suffixes)}"
        yield problem("D_SKIPPED", message, ".")
    samples = (sample for group in splits.values() for sample in group)
    heif = [sample for sample in samples if sample.path.lower().endswith(HEIF_SUFFIXES)]
    if heif and find_spec("pillow_heif") is None:
        message = f"{len(heif):,} HEIC files need pillow-heif: {install_hint('pillow-heif')}"
        yield problem("D_HEIC", message, heif[0].file)


def _split_problems(
    root: Path, bases: Mapping[str, Path], splits: Mapping[str, Iterable[Sample]]
) -> Iterator[Problem]:
    for split, samples in splits.items():
        if not samples:
            folder = bases[split].relative_to(root).as_posix()
            yield problem("D_LIST_EMPTY", f"no class folder below {folder} holds an image", folder)
    if "val" not in splits:
        yield problem("D_NOT_SPLIT", "there is no folder of validation samples", ".")
