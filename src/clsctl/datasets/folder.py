"""Make a dataset's folder, or write into one: what the system refuses is `E_DATASET_WRITE`."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from clsctl.errors import DataError
from clsctl.system.files import new_folder
from clsctl.system.os_errors import translate_os_errors

_CODE = "E_DATASET_WRITE"
_HINT = "free some space, or work on a copy in a folder that you can write to"


def new_dataset(path: Path) -> AbstractContextManager[Path]:
    """Make the folder of a new dataset, which appears when it is complete; see `new_folder`.

    Raises:
        DataError: There is something at `path` already (`E_EXISTS`), or the place cannot be
            written (`E_DATASET_WRITE`).
    """
    return new_folder(path, DataError, _CODE, _HINT)


def translate_write_errors(root: Path) -> AbstractContextManager[None]:
    """Turn an OSError met while writing to a dataset's folder into a DataError."""
    return translate_os_errors(root, DataError, _CODE, _HINT)
