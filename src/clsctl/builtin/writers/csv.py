"""Write one row a class: `--format csv`."""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, TextIO

from clsctl.plugin import StoredResult, Writer, hookimpl
from clsctl.system.spreadsheets import original_cell, safe_row

if TYPE_CHECKING:
    from clsctl.result import Result

COLUMNS = (
    "input_path",
    "page_index",
    "rank",
    "class_id",
    "score",
    "label_name",
    "error_code",
    "error_message",
)


@hookimpl
def clsctl_writers() -> list[Writer]:
    append = functools.partial(CsvWriter, header=False)
    summary = "One row a class, for spreadsheets."
    return [Writer("csv", summary, CsvWriter, read=read, append=append)]


class CsvWriter:
    """Writes one row for a failed input, and none for an input without any class."""

    def __init__(self, stream: TextIO, header: bool = True) -> None:
        self._stream = stream
        self._rows = csv.writer(stream, lineterminator="\n")
        if header:
            self._rows.writerow(COLUMNS)

    def write(self, result: Result) -> None:
        """Write the rows of a result, which go into the file together and at once."""
        self._write_rows(result)
        self._stream.flush()

    def _write_rows(self, result: Result) -> None:
        record = result.as_dict()
        page = "" if result.page_index is None else result.page_index
        if result.error is not None:
            error = record["error"]
            row = [result.input_path, page, "", "", "", "", error["code"], error["message"]]
            self._rows.writerow(safe_row(row))
            return
        names = result.label_names or [""] * len(record["class_ids"])
        classes = zip(record["class_ids"], record["scores"], names, strict=True)
        for rank, (class_id, score, name) in enumerate(classes, start=1):
            row = [result.input_path, page, rank, class_id, score, name, "", ""]
            self._rows.writerow(safe_row(row))

    def close(self) -> None:
        pass


def read(stream: IO[bytes]) -> Iterator[StoredResult]:
    """Read back the results that are whole.

    A result is whole where another begins after it, with rank 1 or an error, or at the end.

    Raises:
        ValueError: The stream is not CSV of these columns.
        KeyError: The stream is not CSV of these columns.
    """
    lines = _Lines(stream)
    result = None
    try:
        for row in csv.DictReader(lines, strict=True):
            if result and row["rank"] in ("", "1"):
                yield result
            page = int(row["page_index"]) if row["page_index"] else None
            name = original_cell(row["input_path"])
            result = StoredResult(lines.end, name, page, bool(row["error_code"]))
    except csv.Error as error:
        if stream.read(1):
            raise ValueError("no CSV") from error
        return  # the end is inside a quoted field
    if result and not lines.torn:
        yield result


class _Lines:
    """The lines of a stream that are whole.

    Attributes:
        end: Where the last line that was read ends, in bytes.
        torn: Whether that line was cut short.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.end, self.torn = 0, False

    def __iter__(self) -> Iterator[str]:
        for line in self._stream:
            self.end += len(line)
            self.torn = not line.endswith(b"\n")
            if not self.torn:
                yield line.decode("utf-8")
