"""Find the user's inputs, one by one, without opening them.

`clsctl.images.read` then reads each of them, in any thread.
"""

from __future__ import annotations

import glob
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from clsctl.console.messages import note
from clsctl.errors import ClsctlError, DataError
from clsctl.images.fetch import unreadable
from clsctl.images.formats import HEAD, SUFFIXES, count_suffixes, format_of
from clsctl.images.junk import is_ignored
from clsctl.images.streams import read_all
from clsctl.paths import is_dir, open_regular, printable
from clsctl.urls import printable_url

if TYPE_CHECKING:
    from numpy.typing import NDArray


LONGEST_LINE = 1 << 16
"""Of a list, in bytes; a longer one is no path or URL, and may never end."""


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
        """The name as results hold it: without secrets of a URL, and with `?` for no UTF-8."""
        return printable_url(printable(self.name))

    @property
    def file(self) -> Path | None:
        """Where the file is, of which `input_path` may be only a printable form."""
        return self.content if isinstance(self.content, Path) else None


@dataclass(frozen=True, slots=True)
class _Counts:
    """How many inputs of each type came without a name, and files in folders that are no images."""

    unnamed: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)


def iter_sources(inputs: object, quiet: bool = False) -> Iterator[Source]:
    """Find the inputs, one by one and in order, so that memory stays flat over any number.

    Args:
        inputs: A file or folder (str or Path); a str may also be an http(s) URL, a glob, `-`
            (standard input: an image, or a list of inputs, one a line) or `@list.txt` (such a list
            in a file). An array (see `clsctl.images.decode.from_array`; BGR as OpenCV has it) or
            anything of the array protocol, a Pillow image, or an encoded image: bytes, a buffer, or
            a file opened in binary mode. A Source is yielded as it is. Or an iterable of all these,
            nested to any depth; what an iterator yields is copied, as it may be changed meanwhile.
        quiet: Do not note how many files of a folder are no images.

    Yields:
        A source each. A folder gives its images and PDFs at any depth, chosen by suffix and sorted
        by path, without hidden ones and what systems leave there, such as `__MACOSX`; a file that
        is named is read whatever its name. A name that exists is always that file, even where it
        looks like a glob or list. Lines of a list are relative to the current folder or else to
        the list's own.
    """
    counts = _Counts()
    yield from _iter_item(inputs, counts)
    if counts.skipped and not quiet:
        note(f"skipped what is no image: {count_suffixes(counts.skipped)}")


def count_sources(inputs: Sequence[object]) -> int | None:
    """Count what `iter_sources` finds; None where that would use it up."""
    if "-" in inputs or not all(isinstance(each, str | Path) for each in inputs):
        return None
    return sum(1 for _ in iter_sources(inputs, quiet=True))


# ---- by type -----------------------------------------------------------------------------------


def _iter_item(item: object, counts: _Counts, transient: bool = False) -> Iterator[Source]:
    """Find the sources of one input.

    Args:
        item: What `iter_sources` accepts.
        counts: Of this run.
        transient: Whether it comes from an iterator, which may change it before it is read: a
            camera fills one array again and again.
    """
    import numpy as np

    if isinstance(item, str):
        yield from _argument(item, counts)
    elif isinstance(item, os.PathLike):
        yield from _path(os.fspath(item), counts)
    elif isinstance(item, np.ndarray):
        yield _numbered("array", item.copy() if transient else item, counts)
    elif isinstance(item, Source):
        yield item
    elif isinstance(item, bytes | bytearray | memoryview):
        yield _numbered("bytes", bytes(item), counts)
    elif hasattr(item, "read"):
        yield _numbered("file", _read_stream(item), counts)
    elif hasattr(item, "__array__") or hasattr(item, "__array_interface__"):
        yield _numbered("array", _as_array(item), counts)
    elif isinstance(item, Iterable) and not isinstance(item, Mapping):
        for member in item:
            yield from _iter_item(member, counts, isinstance(item, Iterator))
    else:
        yield _numbered(type(item).__name__, _wrong_type(item), counts)


def _read_stream(stream: Any) -> bytes | ClsctlError:
    """The encoded image in an open file."""
    try:
        return read_all(stream)
    except ClsctlError as error:
        return error
    except TypeError:  # a file opened as text
        return _wrong_type(stream)


def _as_array(item: Any) -> NDArray[Any]:
    """A copy of the pixels; of a Pillow image in the BGR order of arrays."""
    import numpy as np

    if hasattr(item, "convert"):
        return np.asarray(item.convert("RGB"))[..., ::-1].copy()
    return np.array(item)


def _wrong_type(item: object) -> DataError:
    return DataError(
        f"an input of type {type(item).__name__} cannot be read",
        code="E_INPUT_TYPE",
        hint="pass a path, a URL, a uint8 array, a Pillow image, bytes, a file opened in binary "
        "mode, or a list of these",
    )


def _numbered(kind: str, content: NDArray[Any] | bytes | ClsctlError, counts: _Counts) -> Source:
    number = counts.unnamed[kind]
    counts.unnamed[kind] += 1
    return Source(f"{kind}[{number}]", content)


def _argument(text: str, counts: _Counts) -> Iterator[Source]:
    if text == "-":
        yield from _standard_input(counts)
    elif text.startswith("@") and not os.path.lexists(text):
        yield from _list_file(text, counts)
    else:
        yield from _name(text, counts)


def _name(text: str, counts: _Counts) -> Iterator[Source]:
    """Find what a line of a list may name: a URL, a file, a folder or a glob."""
    if _is_url(text):
        yield Source(text, text)
    elif glob.has_magic(text) and "\0" not in text and not os.path.lexists(text):
        yield from _glob(text, counts)
    else:
        yield from _path(text, counts)


def _is_url(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def _path(text: str, counts: _Counts) -> Iterator[Source]:
    if is_dir(text):
        yield from _or_nothing(_folder(text, counts), text, "there is no image in this folder")
    else:
        yield _file(text)


def _file(text: str) -> Source:
    """Return a file's source; an empty name is none, because Path takes it for the folder."""
    return Source(text, Path(text) if text else unreadable(FileNotFoundError()))


def _folder(folder: str, counts: _Counts) -> Iterator[Source]:
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
            yield from _folder(path, counts)
        elif (suffix := Path(name).suffix.lower()) in SUFFIXES:
            yield _file(path)
        else:
            counts.skipped[suffix] += 1


def _glob(pattern: str, counts: _Counts) -> Iterator[Source]:
    """Find what matches; folders that `**` finds are left out, because it finds their files."""
    matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - also absolute patterns
    if "**" in pattern:
        matches = [path for path in matches if not is_dir(path)]
    sources = (source for path in matches for source in _path(path, counts))
    yield from _or_nothing(sources, pattern, "no file matches this pattern")


def _list_file(argument: str, counts: _Counts) -> Iterator[Source]:
    path = Path(argument[1:])
    try:
        stream = open_regular(path)
    except (OSError, ValueError) as error:
        yield Source(argument, unreadable(error))
        return
    with stream:
        yield from _list(argument, stream, path.parent, counts)


def _standard_input(counts: _Counts) -> Iterator[Source]:
    stream = sys.stdin.buffer
    head = stream.read(HEAD)
    if format_of(head) is None:
        yield from _list("-", stream, Path(), counts, head)
        return
    try:
        yield Source("-", read_all(stream, head))
    except ClsctlError as error:
        yield Source("-", error)


def _list(
    name: str, stream: IO[bytes], folder: Path, counts: _Counts, head: bytes = b""
) -> Iterator[Source]:
    sources = (
        source
        for line in _lines(stream, head)
        for source in _name(_relative_to(folder, os.fsdecode(line)), counts)
    )
    try:
        yield from _or_nothing(sources, name, "the list of inputs is empty")
    except (OSError, ValueError) as error:
        yield Source(name, unreadable(error))


def _lines(stream: IO[bytes], head: bytes) -> Iterator[bytes]:
    """Yield the lines that are not blank, of what was already read and of the rest."""
    head += stream.readline(LONGEST_LINE)
    yield from filter(bytes.strip, head.removeprefix(b"\xef\xbb\xbf").splitlines())
    while line := stream.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise ValueError(f"it has a line of more than {LONGEST_LINE:,} bytes")
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
