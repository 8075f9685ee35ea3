"""What the output of an earlier run holds, even of a run that was killed, and what it lacks."""

from __future__ import annotations

import csv
import fcntl
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple, TextIO

from clsctl.console.messages import note
from clsctl.errors import UsageError
from clsctl.images.sources import Source, printable
from clsctl.plugin.descriptors import RecordWriter, Writer
from clsctl.result import Result
from clsctl.system.os_errors import translate_os_errors


class _Record(NamedTuple):
    """A result as it stands in a file; `end` is where, in bytes."""

    end: int
    source: str
    page: int | None
    failed: bool


_Reader = Callable[[IO[bytes]], Iterator[_Record]]


@dataclass
class Held:
    """The results in an output.

    Attributes:
        done: How many there are.
        failed: How many of them are errors.
        end: Where the last whole one ends, in bytes.
        inputs: How often each input is there, by the hash of its name, to take little memory.
        last: Name of the last input.
        pages: Its pages that are there, where it has pages: there may be more of them. None is an
            error that ended them.
    """

    done: int = 0
    failed: int = 0
    end: int = 0
    inputs: Counter[int] = field(default_factory=Counter)
    last: str = ""
    pages: set[int | None] = field(default_factory=set)

    def add(self, record: _Record) -> None:
        self.end = record.end
        self.done += 1
        self.failed += record.failed
        goes_on = record.source == self.last and self.pages and record.page != 0
        if not goes_on:
            self.inputs[hash(record.source)] += 1
            self.last, self.pages = record.source, set()
        if goes_on or record.page is not None:
            self.pages.add(record.page)

    def missing(self, sources: Iterable[Source]) -> Iterator[Source]:
        """The sources without a result, and the last one that has some, where it has pages."""
        paged = self.last if self.pages else None
        for source in sources:
            name = printable(source.name)
            there = self.inputs[hash(name)]
            if there:
                self.inputs[hash(name)] -= 1
            if there == 0 or (there == 1 and name == paged):
                yield source

    def open(self, writer: Writer, stream: TextIO) -> RecordWriter:
        """The writer, to go on at the end of the stream."""
        begin = writer.go_on if self.done and writer.go_on else writer.open
        return begin(stream)

    def new(self, results: Iterable[Result]) -> Iterator[Result]:
        """The results that are not there, of those sources."""
        for result in results:
            if result.page_index in self.pages and result.input_path == self.last:
                self.pages.discard(result.page_index)
            else:
                yield result


@contextmanager
def continuing(path: Path, writer: str) -> Iterator[tuple[TextIO, Held]]:
    """A file to go on writing at its end, and what it holds; a result cut short is taken off it.

    Raises:
        UsageError: The format cannot be continued, or the file is something else (`E_RESUME`);
            another process is writing it (`E_OUTPUT_BUSY`); the system refused (`E_OUTPUT`).
    """
    if writer not in _READERS or (path.exists() and not path.is_file()):
        raise UsageError(
            f"{path} cannot be continued as {writer}",
            code="E_RESUME",
            hint="write jsonl or csv into a file, for instance -o results.jsonl",
        )
    with translate_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8", newline="") as stream:
            _lock(stream, path)
            held = _read(path, _READERS[writer])
            stream.truncate(held.end)
            stream.seek(0, os.SEEK_END)
            if held.done:
                note(f"{path} holds {held.done} results; going on after them")
            yield stream, held
            stream.flush()
            os.fsync(stream.fileno())


def _lock(stream: TextIO, path: Path) -> None:
    """Two writers would mix their lines; the system ends the lock with the process."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"another process is writing {path}", code="E_OUTPUT_BUSY") from None


def _read(path: Path, reader: _Reader) -> Held:
    held = Held()
    try:
        with path.open("rb") as stream:
            for record in reader(stream):
                held.add(record)
    except (ValueError, KeyError, TypeError, csv.Error):
        raise UsageError(
            f"{path} is not what clsctl wrote: it goes wrong after {held.done} results",
            code="E_RESUME",
            hint="choose another file for the output",
        ) from None
    return held


def _json_lines(stream: IO[bytes]) -> Iterator[_Record]:
    end = 0
    for line in stream:
        if not line.endswith(b"\n"):
            return
        end += len(line)
        fields = json.loads(line)
        yield _Record(end, fields["input_path"], fields["page_index"], "error" in fields)


def _csv_rows(stream: IO[bytes]) -> Iterator[_Record]:
    """A result is whole where another begins after it, with rank 1 or an error, or at the end."""
    end, torn = 0, False

    def lines() -> Iterator[str]:
        nonlocal end, torn
        for line in stream:
            end += len(line)
            torn = not line.endswith(b"\n")
            if not torn:
                yield line.decode("utf-8")

    result = None
    try:
        for row in csv.DictReader(lines(), strict=True):
            if result and row["rank"] in ("", "1"):
                yield result
            page = int(row["page_index"]) if row["page_index"] else None
            result = _Record(end, row["input_path"], page, bool(row["error_code"]))
    except csv.Error:
        if stream.read(1):
            raise
        torn = True  # inside a quoted field
    if result and not torn:
        yield result


_READERS: dict[str, _Reader] = {"jsonl": _json_lines, "csv": _csv_rows}
