"""Find what the output of an earlier run holds, even of one that was killed, and add the rest."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TextIO

from clsctl.console.messages import note
from clsctl.errors import UsageError
from clsctl.images.sources import Source
from clsctl.paths import exists, is_file, open_regular
from clsctl.plugin.descriptors import RecordWriter, StoredResult, Writer
from clsctl.plugin.registry import default_registry
from clsctl.result import Result
from clsctl.system.descriptors import lock
from clsctl.system.os_errors import translate_os_errors

_Reader = Callable[[IO[bytes]], Iterator[StoredResult]]


@dataclass
class ResumeState:
    """What an output holds.

    Attributes:
        results: How many there are.
        errors: How many of them are errors.
        end: Where the last whole one ends, in bytes.
        inputs: How often each input is there, by the hash of its name, to take little memory.
        last: Name of the last input.
        pages: Its pages that are there, where it has pages: there may be more of them. None is an
            error that ended them.
    """

    results: int = 0
    errors: int = 0
    end: int = 0
    inputs: Counter[int] = field(default_factory=Counter)
    last: str = ""
    pages: set[int | None] = field(default_factory=set)

    def add(self, stored: StoredResult) -> None:
        """Count the next result of the output."""
        self.end = stored.end
        self.results += 1
        self.errors += stored.failed
        same_input = stored.input_path == self.last and self.pages and stored.page_index != 0
        if not same_input:
            self.inputs[hash(stored.input_path)] += 1
            self.last, self.pages = stored.input_path, set()
        if same_input or stored.page_index is not None:
            self.pages.add(stored.page_index)

    def missing_sources(self, sources: Iterable[Source]) -> Iterator[Source]:
        """Yield the sources without a result, and the last one that has some, if it has pages."""
        paged = self.last if self.pages else None
        for source in sources:
            name = source.input_path
            there = self.inputs[hash(name)]
            if there:
                self.inputs[hash(name)] -= 1
            if there == 0 or (there == 1 and name == paged):
                yield source

    def missing_results(self, results: Iterable[Result]) -> Iterator[Result]:
        """Yield the results that are not there, of those of the missing sources."""
        for result in results:
            if result.page_index in self.pages and result.input_path == self.last:
                self.pages.discard(result.page_index)
            else:
                yield result

    def open_writer(self, writer: Writer, stream: TextIO) -> RecordWriter:
        """Open the writer, to continue at the end of the stream."""
        begin = writer.append if self.results and writer.append else writer.open
        return begin(stream)


@contextmanager
def open_for_resume(path: Path, writer: Writer) -> Iterator[tuple[TextIO, ResumeState]]:
    """Open a file to write at its end, and read what it holds; a result cut short is removed.

    Raises:
        UsageError: The format cannot be resumed, or the file holds something else (`E_RESUME`);
            another process is writing it (`E_OUTPUT_BUSY`); the system refused (`E_OUTPUT`).
    """
    read = reader_of(path, writer)
    with translate_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8", newline="") as stream:
            _lock(stream, path)
            state = _read(path, read)
            stream.truncate(state.end)
            stream.seek(0, os.SEEK_END)
            if state.results:
                note(f"{path} holds {state.results} results; resuming after them")
            yield stream, state
            stream.flush()
            os.fsync(stream.fileno())


def reader_of(path: Path, writer: Writer) -> _Reader:
    """Return the function that reads back what the writer wrote to the path.

    Raises:
        UsageError: The format cannot be resumed, or the path is no file (`E_RESUME`).
    """
    if exists(path) and not is_file(path):
        raise UsageError(f"{path} cannot be resumed, because it is no file", code="E_RESUME")
    if writer.read is None:
        writers: Iterable[Writer] = default_registry().items("writers").values()
        able = ", ".join(sorted(other.name for other in writers if other.read))
        raise UsageError(
            f"{path} cannot be resumed in the format {writer.name}",
            code="E_RESUME",
            hint=f"formats that can be resumed: {able}",
        )
    return writer.read


def _lock(stream: TextIO, path: Path) -> None:
    """Keep other processes out, whose lines would mix with ours; it ends with the process."""
    try:
        lock(stream.fileno(), wait=False)
    except BlockingIOError:
        raise UsageError(f"another process is writing {path}", code="E_OUTPUT_BUSY") from None


def _read(path: Path, read: _Reader) -> ResumeState:
    state = ResumeState()
    try:
        with open_regular(path) as stream:
            for stored in read(stream):
                state.add(stored)
    except (ValueError, KeyError, TypeError):
        raise UsageError(
            f"{path} does not hold what clsctl wrote: it differs after {state.results} results",
            code="E_RESUME",
            hint="choose another file for the output",
        ) from None
    return state
