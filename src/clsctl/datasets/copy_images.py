"""Copy or hard-link a dataset's images to new paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from posixpath import normpath
from typing import Literal

from clsctl.datasets.samples import Dataset
from clsctl.errors import DataError
from clsctl.paths import copy_file
from clsctl.values import Progress


def copy_images(
    dataset: Dataset,
    files: Mapping[str, str],
    folder: Path,
    mode: Literal["copy", "link"],
    progress: Progress,
) -> None:
    """Copy or link each image to its new path.

    Args:
        dataset: Where the images are.
        files: Its old path by its new one.
        folder: What new paths are relative to.
        mode: `copy` or `link`.
        progress: Receives the bytes that are in place, and in all.

    Raises:
        DataError: An image is missing (`E_IMAGE_MISSING`) or cannot be linked (`E_LINK`).
    """
    sizes = _sizes(dataset, files.values())
    total, done = sum(sizes[path] for path in files.values()), 0
    for name, path in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if mode == "copy":
            copy_file(dataset.root / path, target)
        else:
            _hard_link(dataset.root / path, target)
        done += sizes[path]
        progress(done, total)


def _hard_link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source.resolve())
    except OSError as error:
        raise DataError(
            f"cannot link {source}: {error.strerror}",
            code="E_LINK",
            hint="hard links need one disk and a file system that has them: use --mode copy",
        ) from None


def _sizes(dataset: Dataset, paths: Iterable[str]) -> dict[str, int]:
    """Return sizes in bytes, by path.

    Raises:
        DataError: An image is missing.
    """
    sizes = {}
    for path in paths:
        try:
            sizes[path] = (dataset.root / path).stat().st_size
        except (OSError, ValueError) as error:
            place = next(
                f"{sample.file}:{sample.line}"
                for _, sample in dataset.samples()
                if normpath(sample.path) == path
            )
            raise DataError(
                f"{place}: {path} cannot be read: {getattr(error, 'strerror', None) or error}",
                code="E_IMAGE_MISSING",
                hint=f"`clsctl dataset check {dataset.root}` lists every missing image",
            ) from None
    return sizes
