"""Find the user's inputs, one by one, without opening them.

`clsctl.images.read` then reads each of them, in any thread.
"""

from __future__ import annotations

import glob
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from clsctl.errors import ClsctlError, DataError
from clsctl.images.fetch import unreadable
from clsctl.images.formats import HEAD, SUFFIXES, format_of
from clsctl.images.junk import is_ignored
from clsctl.images.streams import read_all

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One input that was found.

    Attributes:
        name: What the user passed, or what was found there: a path, a URL, or `array[3]` for the
            fourth ndarray. A path need not be valid UTF-8.
        content: A file's path, a URL, encoded bytes, an ndarray, or why there is none of these.
    """

    name: str
    content: Path | str | bytes | NDArray[Any] | ClsctlError

    @property
    def input_path(self) -> str:
        """The name as results hold it, in which what is not UTF-8 is replaced."""
        return self.name.encode("utf-8", "replace").decode("utf-8")


def iter_sources(inputs: object) -> Iterator[Source]:
    """Find the inputs, one by one and in order, so that memory stays flat over any number.

    Args:
        inputs: A file or folder (str or Path); a str may also be an http(s) URL, a glob, `-`
            (standard input: an image, or a list of inputs, one a line) or `@list.txt` (such a list
            in a file). An ndarray (see `clsctl.images.decode.from_array`), or bytes of an encoded
            image. A Source is yielded as it is. Or an iterable of all these, nested to any depth.

    Yields:
        A source each. A folder gives its images and PDFs at any depth, chosen by suffix and sorted
        by path, without hidden ones and what systems leave there, such as `__MACOSX`; a file that
        is named is read whatever its name. A name that exists is always that file, even where it
        looks like a glob or list. Lines of a list are relative to the current folder or else to
        the list's own.
    """
    return _iter_item(inputs, Counter())


# ---- by type -----------------------------------------------------------------------------------


def _iter_item(item: object, seen: Counter[str]) -> Iterator[Source]:
    import numpy as np

    if isinstance(item, str):
        yield from _argument(item)
    elif isinstance(item, os.PathLike):
        yield from _path(os.fspath(item))
    elif isinstance(item, np.ndarray):
        yield _numbered("array", item, seen)
    elif isinstance(item, Source):
        yield item
    elif isinstance(item, bytes | bytearray):
        yield _numbered("bytes", bytes(item), seen)
    elif isinstance(item, Iterable):
        for member in item:
            yield from _iter_item(member, seen)
    else:
        error = DataError(
            f"an input of type {type(item).__name__} cannot be read",
            code="E_INPUT_TYPE",
            hint="pass a path, a URL, a uint8 ndarray, bytes, or a list of these",
        )
        yield _numbered(type(item).__name__, error, seen)


def _numbered(kind: str, content: NDArray[Any] | bytes | ClsctlError, seen: Counter[str]) -> Source:
    seen[kind] += 1
    return Source(f"{kind}[{seen[kind] - 1}]", content)


def _argument(text: str) -> Iterator[Source]:
    if text == "-":
        yield from _standard_input()
    elif text.startswith("@") and not os.path.lexists(text):
        yield from _list_file(text)
    else:
        yield from _name(text)


def _name(text: str) -> Iterator[Source]:
    """Find what a line of a list may name: a URL, a file, a folder or a glob."""
    if _is_url(text):
        yield Source(text, text)
    elif glob.has_magic(text) and "\0" not in text and not os.path.lexists(text):
        yield from _glob(text)
    else:
        yield from _path(text)


def _is_url(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def _is_folder(text: str) -> bool:
    return os.path.isdir(text)  # noqa: PTH112 - Path.is_dir raises where a name is too long


def _path(text: str) -> Iterator[Source]:
    if _is_folder(text):
        yield from _or_nothing(_folder(text), text, "there is no image in this folder")
    else:
        yield _file(text)


def _file(text: str) -> Source:
    """Return a file's source; an empty name is none, because Path takes it for the folder."""
    return Source(text, Path(text) if text else unreadable(FileNotFoundError()))


def _folder(folder: str) -> Iterator[Source]:
    """Find its images, in the order of their full paths: hence the `/` after folder names."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(
                entry.name + "/" * entry.is_dir(follow_symlinks=False) for entry in entries
            )
    except OSError as error:
        yield Source(folder, unreadable(error))
        return
    for name in names:
        path = os.path.join(folder, name.rstrip("/"))  # noqa: PTH118 - keeps a leading "./"
        if is_ignored(name.rstrip("/")):
            continue
        if name.endswith("/"):
            yield from _folder(path)
        elif Path(name).suffix.lower() in SUFFIXES:
            yield _file(path)


def _glob(pattern: str) -> Iterator[Source]:
    """Find what matches; folders that `**` finds are left out, because it finds their files."""
    matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - also absolute patterns
    if "**" in pattern:
        matches = [path for path in matches if not _is_folder(path)]
    sources = (source for path in matches for source in _path(path))
    yield from _or_nothing(sources, pattern, "no file matches this pattern")


def _list_file(argument: str) -> Iterator[Source]:
    path = Path(argument[1:])
    try:
        stream = path.open("rb")
    except (OSError, ValueError) as error:
        yield Source(argument, unreadable(error))
        return
    with stream:
        yield from _list(argument, stream, path.parent)


def _standard_input() -> Iterator[Source]:
    stream = sys.stdin.buffer
    head = stream.read(HEAD)
    if format_of(head) is None:
        yield from _list("-", stream, Path(), head)
        return
    try:
        yield Source("-", read_all(stream, head))
    except ClsctlError as error:
        yield Source("-", error)


def _list(name: str, stream: IO[bytes], folder: Path, head: bytes = b"") -> Iterator[Source]:
    sources = (
        source
        for line in _lines(stream, head)
        for source in _name(_relative_to(folder, os.fsdecode(line)))
    )
    yield from _or_nothing(sources, name, "the list of inputs is empty")


def _lines(stream: IO[bytes], head: bytes) -> Iterator[bytes]:
    """Yield the lines that are not blank, of what was read already and of the rest."""
    head += stream.readline()
    yield from filter(bytes.strip, head.removeprefix(b"\xef\xbb\xbf").splitlines())
    for line in stream:
        if line.strip():
            yield line.rstrip(b"\r\n")


def _relative_to(folder: Path, text: str) -> str:
    beside = str(folder / text)
    elsewhere = not _is_url(text) and not os.path.lexists(text) and os.path.lexists(beside)
    return beside if elsewhere else text


def _or_nothing(sources: Iterator[Source], name: str, reason: str) -> Iterator[Source]:
    first = next(sources, None)
    if first is None:
        endings = ", ".join(sorted(SUFFIXES))
        hint = f"in folders, images are the files that end in {endings}"
        yield Source(name, DataError(reason, code="E_NO_IMAGES", hint=hint))
        return
    yield first
    yield from sources
