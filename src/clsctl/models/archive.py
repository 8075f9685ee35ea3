"""Extract tar archives without trusting them.

Only regular files are written, each opened by this module itself, so the protection does not depend
on the extraction filters of `tarfile`, which the first releases of CPython 3.10 and 3.11 lack.
"""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import cast

from clsctl.errors import ModelError
from clsctl.models.directory import PARAMS
from clsctl.paths import open_regular
from clsctl.schema.errors import brief

MAX_MEMBERS = 10_000
MAX_NAME, MAX_PART = 1024, 255
"""Bytes of a path in an archive, and of each name in it."""

_MAX_READ = 1 << 20


def extract(archive: Path, into: Path, max_bytes: int) -> None:
    """Extract an uncompressed tar archive into an empty folder, at most `max_bytes` in all.

    Raises:
        ModelError: The archive is damaged (`E_ARCHIVE`), holds a name that leaves the folder, a
            link, a device or two entries of one name (`E_ARCHIVE_UNSAFE`), or is too large
            (`E_TOO_LARGE`).
    """
    try:
        with (
            _BoundedReads(cast("io.FileIO", open_regular(archive, buffering=0))) as stream,
            tarfile.open(fileobj=stream, mode="r:") as tar,
        ):
            for member, path in _safe_members(tar, max_bytes):
                _write_member(tar, member, into / path)
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise _unsafe(f"two entries named '{Path(error.filename).name}'") from None
    except (tarfile.TarError, ValueError, ArithmeticError, LookupError, EOFError) as error:
        raise _no_archive(str(error)) from None
    except RecursionError:  # tarfile calls itself for each header that precedes another
        raise _no_archive("too many extended headers follow each other") from None


def model_folder(extracted: Path) -> Path:
    """Find the one model directory of an extracted archive: the top, or a folder below it.

    Raises:
        ModelError: There is none, or more than one (`E_MODEL_DIR_INVALID`).
    """
    folders = [path.parent for path in extracted.rglob(PARAMS)]
    if len(folders) != 1:
        raise ModelError(
            f"the archive holds {len(folders)} files named {PARAMS} instead of one",
            code="E_MODEL_DIR_INVALID",
        )
    return folders[0]


def too_large(what: str, max_bytes: int) -> ModelError:
    """Make the error for something beyond the limit of the setting `max_download`."""
    return ModelError(
        f"{what} more than the limit of {max_bytes:,} bytes",
        code="E_TOO_LARGE",
        hint="set CLSCTL_MAX_DOWNLOAD to a larger number of bytes if you trust it",
    )


class _BoundedReads(io.BufferedReader):
    """Refuses the huge reads that a hostile extended header makes `tarfile` try."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _MAX_READ:
            raise tarfile.ReadError("oversized header")
        return super().read(size)


def _safe_members(
    tar: tarfile.TarFile, max_bytes: int
) -> Iterator[tuple[tarfile.TarInfo, PurePosixPath]]:
    total = 0
    for count, member in enumerate(tar, start=1):
        path = PurePosixPath(member.name)
        _require_name(member.name)
        if path.is_absolute() or ".." in path.parts or "\0" in member.name:
            raise _unsafe(f"the path {brief(member.name)}")
        if not (member.isreg() or member.isdir()) or member.issparse() or member.size < 0:
            raise _unsafe(f"{brief(member.name)}, which is neither a plain file nor a folder")
        total += member.size
        if total > max_bytes or count > MAX_MEMBERS:
            raise too_large(f"the archive unpacks to over {MAX_MEMBERS:,} files or", max_bytes)
        if member.isreg():
            yield member, path


def _write_member(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source = cast("io.BufferedReader", tar.extractfile(member))
    with target.open("xb") as out:
        shutil.copyfileobj(source, out, _MAX_READ)


def _require_name(name: str) -> None:
    """Refuse names that a file system or a record of them could not hold."""
    try:
        size, parts = len(name.encode()), [len(part.encode()) for part in name.split("/")]
    except UnicodeEncodeError:
        raise _unsafe("a name that is not UTF-8") from None
    if not name.isprintable():
        raise _unsafe(f"the name {brief(name)}, which cannot be shown")
    if size > MAX_NAME or max(parts) > MAX_PART:
        raise _unsafe(f"a name of {size:,} bytes, which is too long")


def _no_archive(reason: str) -> ModelError:
    return ModelError(
        f"this is not a complete, uncompressed tar archive ({reason})", code="E_ARCHIVE"
    )


def _unsafe(what: str) -> ModelError:
    return ModelError(
        f"the archive is refused because it holds {what}",
        code="E_ARCHIVE_UNSAFE",
        hint="get it from a source that you trust",
    )
