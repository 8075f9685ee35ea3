"""Turn what the operating system refuses into one clear sentence with a code and a hint."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clsctl.errors import ClsctlError, ModelError, UsageError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
FREE_SPACE = "free some space, or set CLSCTL_HOME to a folder on another disk"
FREE_OUTPUT = "free some space, or write to another disk"


@contextmanager
def translate_os_errors(
    path: Path,
    error: type[ClsctlError] = UsageError,
    code: str = "E_OUTPUT",
    hint: str = "",
) -> Iterator[None]:
    """Turn an OSError met while writing to a path that the user named into one error.

    A closed pipe passes as it is: its reader has seen enough, which is no failure.

    Args:
        path: What the message names.
        error: The class of the error.
        code: Its code, unless the disk is full (`E_DISK_FULL`).
        hint: What the user can do then.

    Raises:
        ClsctlError: The system refused.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as refusal:
        reason = refusal.strerror or refusal
        if refusal.errno in FULL:
            raise disk_full(str(path), refusal, error, FREE_OUTPUT) from None
        raise error(f"cannot write {path}: {reason}", code=code, hint=hint) from None


@contextmanager
def translate_store_errors(
    root: Path,
    hint: str = "set CLSCTL_HOME to a folder that you can write to",
    full_hint: str = FREE_SPACE,
) -> Iterator[None]:
    """Turn an OSError met below a folder that clsctl keeps for itself into a ModelError.

    Args:
        root: What the message names where the system names no file.
        hint: What to do where the file cannot be used.
        full_hint: What to do where the disk is full.

    Raises:
        ModelError: The disk is full (`E_DISK_FULL`), the place is read-only
            (`E_STORE_READONLY`), or anything else that the system refused (`E_STORE`).
    """
    try:
        yield
    except OSError as refusal:
        reason = refusal.strerror or refusal
        if refusal.errno in FULL:
            raise disk_full(str(root), refusal, ModelError, full_hint) from refusal
        message = f"cannot use {refusal.filename or root}: {reason}"
        code = "E_STORE_READONLY" if refusal.errno in _READ_ONLY else "E_STORE"
        raise ModelError(message, code=code, hint=hint) from refusal


@contextmanager
def translate_full_disk(folder: Path, hint: str) -> Iterator[None]:
    """Turn a full disk met by anything that writes below a folder into a ModelError.

    Raises:
        ModelError: The disk is full (`E_DISK_FULL`).
        OSError: Anything else that the system refused.
    """
    try:
        yield
    except OSError as refusal:
        if refusal.errno in FULL:
            raise disk_full(str(folder), refusal, ModelError, hint) from None
        raise


def disk_full(
    what: str, refusal: OSError, error: type[ClsctlError] = ModelError, hint: str = FREE_OUTPUT
) -> ClsctlError:
    """Make the error for a full disk, or the end of a quota (`E_DISK_FULL`).

    Args:
        what: The file or folder that could not be written.
        refusal: What the system said.
        error: The class of the error.
        hint: What the user can do.
    """
    reason = refusal.strerror or refusal
    return error(f"the disk that holds {what} is full: {reason}", code="E_DISK_FULL", hint=hint)
