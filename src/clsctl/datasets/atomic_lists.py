"""Replace several lists at once, all or none, and build new folders out of sight.

The file system renames one file at a time, so the switch is one rename of a link that all lists
are reached through. Below the dataset, while lists are being replaced:

    .clsctl-update/old/        the lists as they were
    .clsctl-update/new/        the lists as they will be, and the backups
    .clsctl-update/current     a link to `old`, then to `new`: this rename is the switch
    train.txt, val.txt ...     links to .clsctl-update/current/NAME, each put there in one rename

A link whose target is not there is a list that does not exist, which is how lists and backups
appear and vanish with the switch. Afterwards every link becomes a plain file again. So a reader
that knows nothing of this sees the old lists or the new ones, also after the process was killed;
`recover` then only tidies up.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from clsctl.errors import DataError
from clsctl.settings import folders
from clsctl.system.files import locked, sync, sync_tree

UPDATE = ".clsctl-update"
_UNLISTABLE = re.compile(r"^$|^[ \t]|[ \t]$|[\n\r\ud800-\udfff]")


def replace_lists(root: Path, lists: Mapping[str, str | None]) -> dict[str, str]:
    """Write lists into a dataset's folder, all or none, and keep the old ones as backups.

    Args:
        root: The dataset's folder.
        lists: Content by file name; None takes a list away.

    Returns:
        The name of the backup, `train.txt.bak` and so on, by the name of each old list.

    Raises:
        DataError: The folder cannot be written (`E_DATASET_WRITE`); its lists are as they were.
    """
    with _alone_in(root):
        _settle(root)
        backups = {name: _backup_name(root / name) for name in lists if (root / name).is_file()}
        try:
            _stage(root, lists, backups)
            for name in (*lists, *backups.values()):
                _link(root, _target(name), root / name)
            sync(root)
            _switch(root)
        finally:
            _settle(root)
    return backups


def recover(root: Path) -> None:
    """Tidy up after a process that was killed while it replaced lists.

    Nobody has to call this to read the right lists; it turns the links into plain files.

    Raises:
        DataError: The folder cannot be written (`E_DATASET_WRITE`).
    """
    if (root / UPDATE).exists():
        with _alone_in(root):
            _settle(root)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path`, which takes that name at the end of the block.

    After an error nothing is left of it.

    Raises:
        DataError: There is something at `path` already (`E_EXISTS`), or the place cannot be
            written (`E_DATASET_WRITE`).
    """
    _require_nothing_at(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with _explained(path):
        try:
            temporary.mkdir(parents=True)
            yield temporary
            sync_tree(temporary)
            _require_nothing_at(path)  # a rename would replace an empty folder without a word
            temporary.rename(path)
            sync(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def list_lines(samples: Iterable[tuple[str, int]]) -> str:
    """The content of a list, for samples of a path and a class id.

    Raises:
        DataError: A path cannot stand in a list (`E_UNLISTABLE`).
    """
    return "".join(f"{_listable(path)} {label}\n" for path, label in samples)


def label_lines(class_names: Mapping[int, str]) -> str:
    """The content of label.txt.

    Raises:
        DataError: A name cannot stand in it (`E_UNLISTABLE`).
    """
    return "".join(f"{label} {_listable(class_names[label])}\n" for label in sorted(class_names))


# ---- the steps of a replacement ----------------------------------------------------------------


def _stage(root: Path, lists: Mapping[str, str | None], backups: Mapping[str, str]) -> None:
    """Write the old and the new state below `.clsctl-update`, onto the disk."""
    update = root / UPDATE
    old, new = update / "old", update / "new"
    old.mkdir(parents=True)
    new.mkdir()
    for name, content in lists.items():
        if content is not None:
            (new / name).write_text(content, encoding="utf-8", newline="\n")
    for name, backup in backups.items():
        shutil.copy2(root / name, old / name)
        shutil.copy2(root / name, new / backup)
    _link(root, "old", update / "current")
    sync_tree(update)


def _switch(root: Path) -> None:
    """The one step that makes the new lists visible."""
    update = root / UPDATE
    _link(root, "new", update / "current")
    sync(update)


def _settle(root: Path) -> None:
    """Make plain files of the links, whichever side of the switch they are on."""
    update = root / UPDATE
    if not update.exists():
        return
    for name in {path.name for path in update.glob("*/*")}:
        path = root / name
        if not path.is_symlink() or path.readlink() != Path(_target(name)):
            continue
        if path.exists():
            path.resolve().replace(path)
        else:
            path.unlink()
    sync(root)
    shutil.rmtree(update)
    sync(root)


def _link(root: Path, target: str, path: Path) -> None:
    """Put a symbolic link at `path` in one rename, whatever is there."""
    temporary = root / UPDATE / "link"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(path)


def _target(name: str) -> str:
    return f"{UPDATE}/current/{name}"


def _backup_name(path: Path) -> str:
    """`train.txt.bak`, or the first of `.bak1`, `.bak2` ... that is free."""
    names = (f"{path.name}.bak{number or ''}" for number in itertools.count())
    return next(name for name in names if not os.path.lexists(path.with_name(name)))


# ---- what can go wrong -------------------------------------------------------------------------


@contextmanager
def _alone_in(root: Path) -> Iterator[None]:
    """Keep others out; the lock lies in the data folder, so that none is left in the dataset."""
    label = sha256(str(root.resolve()).encode(errors="surrogateescape")).hexdigest()[:12]
    with locked(folders().data, f"dataset-{label}"), _explained(root):
        yield


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"cannot write {path}: {error.strerror or error}",
            code="E_DATASET_WRITE",
            hint="free some space, or work on a copy in a folder that you can write to",
        ) from error


def _require_nothing_at(path: Path) -> None:
    if os.path.lexists(path):
        raise DataError(
            f"{path} is there already, and is never overwritten",
            code="E_EXISTS",
            hint="name a folder that does not exist yet, or move that one away",
        )


def _listable(text: str) -> str:
    """The text, if it can be read back from a line of UTF-8 text."""
    if _UNLISTABLE.search(text):
        raise DataError(
            f"{text!r} cannot stand in a list: it is empty, or has a blank at an end, a line break "
            "or bytes that are not UTF-8",
            code="E_UNLISTABLE",
            hint="rename it",
        )
    return text
