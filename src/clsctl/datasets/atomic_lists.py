"""Replace several lists of a dataset at once, all or none.

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
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from clsctl.datasets.folder import translate_write_errors
from clsctl.paths import exists, is_file
from clsctl.settings import folders
from clsctl.system.files import atomic_replace, sync, sync_tree
from clsctl.system.locks import locked

UPDATE = ".clsctl-update"


def replace_lists(
    root: Path, lists: Mapping[str, str | None], *, links: bool = os.name == "posix"
) -> dict[str, str]:
    """Write lists into a dataset's folder, all or none, and keep the old ones as backups.

    Args:
        root: The dataset's folder.
        lists: Content by file name; None takes a list away.
        links: Whether anybody may make symbolic links. On Windows that is a privilege, and the
            lists are replaced one by one, each whole.

    Returns:
        The name of the backup, `train.txt.bak` and so on, by the name of each old list.

    Raises:
        DataError: The folder cannot be written (`E_DATASET_WRITE`); its lists are as they were.
    """
    with _alone_in(root):
        _settle(root)
        backups = {name: _backup_name(root / name) for name in lists if is_file(root / name)}
        if not links:
            _replace_each(root, lists, backups)
            return backups
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

    The right lists are read without it; it turns the links into plain files.

    Raises:
        DataError: The folder cannot be written (`E_DATASET_WRITE`).
    """
    if exists(root / UPDATE):
        with _alone_in(root):
            _settle(root)


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


def _replace_each(root: Path, lists: Mapping[str, str | None], backups: Mapping[str, str]) -> None:
    """Write the backups, then the lists, then take away what goes."""
    for name, backup in backups.items():
        shutil.copy2(root / name, root / backup)
    for name, content in lists.items():
        if content is not None:
            with atomic_replace(root / name) as part:
                part.write_text(content, encoding="utf-8", newline="\n")
    for name in (name for name, content in lists.items() if content is None):
        (root / name).unlink(missing_ok=True)


def _switch(root: Path) -> None:
    """Make the new lists visible, in one step."""
    update = root / UPDATE
    _link(root, "new", update / "current")
    sync(update)


def _settle(root: Path) -> None:
    """Make plain files of the links, whichever side of the switch they are on."""
    update = root / UPDATE
    if not exists(update):
        return
    for name in {path.name for path in update.glob("*/*")}:
        path = root / name
        if not path.is_symlink() or path.readlink() != Path(_target(name)):
            continue
        if exists(path):
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
    """Return `train.txt.bak`, or the first of `.bak1`, `.bak2` ... that is free."""
    names = (f"{path.name}.bak{number or ''}" for number in itertools.count())
    return next(name for name in names if not os.path.lexists(path.with_name(name)))


@contextmanager
def _alone_in(root: Path) -> Iterator[None]:
    """Keep others out; the lock lies in the data folder, so that none is left in the dataset."""
    label = sha256(str(root.resolve()).encode(errors="surrogateescape")).hexdigest()[:12]
    with locked(folders().data, f"dataset-{label}"), translate_write_errors(root):
        yield
