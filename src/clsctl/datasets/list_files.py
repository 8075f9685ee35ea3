"""Write label.txt and the lists of a dataset: what `clsctl.datasets.layouts.lists` reads."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from posixpath import isabs
from typing import NamedTuple

from clsctl.datasets.layouts.lists import LABEL_FILE, list_file
from clsctl.errors import DataError

IMAGES = "images"
"""The folder, or the link, that the paths of a written dataset lead through."""

_UNLISTABLE = re.compile(r"^$|^[ \t]|[ \t]$|[\n\r\ud800-\udfff]")


class ListLine(NamedTuple):
    """A line of a list: an image's path and its class id."""

    path: str
    label: int


def list_text(lines: Iterable[tuple[str, int]]) -> str:
    """Return the content of a list, for samples of a path and a class id.

    Raises:
        DataError: A path cannot stand in a list (`E_UNLISTABLE`).
    """
    return "".join(f"{_listable(path)} {label}\n" for path, label in lines)


def label_text(class_names: Mapping[int, str]) -> str:
    """Return the content of label.txt.

    Raises:
        DataError: A name cannot stand in it (`E_UNLISTABLE`).
    """
    return "".join(f"{label} {_listable(class_names[label])}\n" for label in sorted(class_names))


def write_lists(
    folder: Path, class_names: Mapping[int, str], lists: Mapping[str, Iterable[ListLine]]
) -> None:
    """Write label.txt and a list for each split into a folder.

    Args:
        folder: An existing folder.
        class_names: Names by class id.
        lists: Samples by split.

    Raises:
        DataError: A path or name cannot stand in a list (`E_UNLISTABLE`).
    """
    files = {list_file(split): list_text(lines) for split, lines in lists.items()}
    for name, content in {LABEL_FILE: label_text(class_names), **files}.items():
        (folder / name).write_text(content, encoding="utf-8", newline="\n")


def write_linked_lists(
    folder: Path,
    source: Path,
    class_names: Mapping[int, str],
    lists: Mapping[str, Iterable[ListLine]],
) -> None:
    """Write lists into an empty folder, and a relative link `images` to where the images are.

    Args:
        folder: The folder, or one beside the place that it will be moved to.
        source: What the paths in the lists are relative to.
        class_names: Names by class id.
        lists: Samples by split.

    Raises:
        DataError: A path or name cannot stand in a list (`E_UNLISTABLE`).
    """
    (folder / IMAGES).symlink_to(os.path.relpath(source.resolve(), folder.resolve()))
    linked = {
        split: [ListLine(_below_images(path), label) for path, label in lines]
        for split, lines in lists.items()
    }
    write_lists(folder, class_names, linked)


def _below_images(path: str) -> str:
    return path if isabs(path) else f"{IMAGES}/{path}"


def _listable(text: str) -> str:
    """Return the text, if it can be read back from a line of UTF-8 text."""
    if _UNLISTABLE.search(text):
        raise DataError(
            f"{text!r} cannot stand in a list: it is empty, or has a blank at an end, a line break "
            "or bytes that are not UTF-8",
            code="E_UNLISTABLE",
            hint="rename it",
        )
    return text
