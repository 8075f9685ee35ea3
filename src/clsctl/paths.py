"""Ask about and read paths that users, lists and datasets name, which may be anything at all.

A path may be too long, lie in a folder that nobody may enter, or lead to a named pipe that blocks
or a device that never ends. The predicates here never raise, and only regular files are opened.
"""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

AnyPath: TypeAlias = "str | os.PathLike[str]"

MAX_TEXT = 1 << 30
"""Bytes of the largest list, table or configuration that is read."""

_LOCAL = re.compile(r"([^=@/]*[=@])?(file:)?(/.*)", re.DOTALL)
_CHUNK = 1 << 20
# Windows has neither of those two, and one of its own, without which it translates line ends.
_READ = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_BINARY"))
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def is_file(path: AnyPath) -> bool:
    """Tell whether a path is a regular file, or a link to one; False where that cannot be told."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises where a name is too long


def is_dir(path: AnyPath) -> bool:
    """Tell whether a path is a folder, or a link to one; False where that cannot be told."""
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises where a name is too long


def exists(path: AnyPath) -> bool:
    """Tell whether there is anything at a path; False where that cannot be told."""
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises where a name is too long


def printable(path: AnyPath) -> str:
    """Return a path as it can be printed and saved, with `?` for what is not UTF-8."""
    return os.fspath(path).encode("utf-8", "replace").decode("utf-8")


def last_name(path: str) -> str:
    """Return what a path, or the URL of a file, ends in; no folder before it."""
    return path.rstrip("/").rpartition("/")[2].removeprefix("file:")


def without_folders(value: Any) -> Any:
    """Return plain values in which only the last name is left of every absolute path.

    The path, or `file:` URL, is a whole text, or what follows the first `=` or `@` of it, as in
    `--output=/home/me/run`. This is for what is handed on, where folders tell of their owner.
    """
    if isinstance(value, Mapping):
        return {key: without_folders(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_folders(item) for item in value]
    match = _LOCAL.fullmatch(value) if isinstance(value, str) else None
    return f"{match[1] or ''}{match[2] or ''}{last_name(match[3])}" if match else value


def why_missing(path: AnyPath) -> str:
    """Say why a path is not there, or cannot be looked at, in the system's words, in lower case."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - Path(path) would make "" the current folder
    except OSError as error:
        return (error.strerror or str(error)).lower()
    except ValueError as error:  # a null character
        return str(error)
    return f"it is {_KINDS.get(stat.S_IFMT(mode), 'of another kind')}"


def open_regular(path: AnyPath, buffering: int = -1) -> BinaryIO:
    """Open a regular file for reading bytes; nothing else is read, nor waited for.

    Args:
        path: A file, or a link to one.
        buffering: As for `open`.

    Raises:
        OSError: It is not there, cannot be opened, or is a folder, pipe, socket or device.
        ValueError: The path holds a null character.
    """
    # A pipe without a writer would otherwise block here, and some files in /proc when read.
    descriptor = os.open(path, _READ)
    try:
        _require_regular(os.fstat(descriptor).st_mode, path)
        return open(descriptor, "rb", buffering)  # noqa: PTH123 - a descriptor, to return
    except BaseException:
        os.close(descriptor)
        raise


def copy_file(source: AnyPath, target: Path) -> None:
    """Copy the content of a regular file.

    Raises:
        OSError: The source cannot be read (see `open_regular`), or the target not be written.
        ValueError: As `open_regular`.
    """
    with open_regular(source) as stream, target.open("wb") as copy:
        shutil.copyfileobj(stream, copy, _CHUNK)


def read_bytes(path: AnyPath, limit: int = MAX_TEXT) -> bytes:
    """Read a regular file as a whole.

    Args:
        path: A file, or a link to one.
        limit: Bytes that it may have.

    Raises:
        OSError: As `open_regular`, or the file has more bytes than the limit.
        ValueError: The path holds a null character.
    """
    # Without a buffer, memory for exactly the file's size is taken once.
    with open_regular(path, buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > limit:
            raise _too_large(path, limit)
        content = stream.read(size + 1) or b""
        if 0 < len(content) <= size:
            return content
        return _read_rest(stream, content, limit, path)


def read_text(path: AnyPath, encoding: str = "utf-8", limit: int = MAX_TEXT) -> str:
    """Read a regular file as text, every end of a line as a newline.

    Raises:
        OSError: As `read_bytes`.
        ValueError: The path holds a null character, or the text is not in that encoding.
    """
    return io.TextIOWrapper(io.BytesIO(read_bytes(path, limit)), encoding).read()


def _require_regular(mode: int, path: AnyPath) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(mode):
        reason = f"it is {_KINDS.get(stat.S_IFMT(mode), 'something else')}, not a file"
        raise OSError(errno.EINVAL, reason, os.fspath(path))


def _read_rest(stream: BinaryIO, head: bytes, limit: int, path: AnyPath) -> bytes:
    """Read on where the size was not known beforehand, as in /proc, or is growing."""
    content = io.BytesIO(head)
    content.seek(0, io.SEEK_END)
    while block := stream.read(_CHUNK):
        content.write(block)
        if content.tell() > limit:
            raise _too_large(path, limit)
    return content.getvalue()


def _too_large(path: AnyPath, limit: int) -> OSError:
    return OSError(errno.EFBIG, f"it has more than {limit:,} bytes", os.fspath(path))
