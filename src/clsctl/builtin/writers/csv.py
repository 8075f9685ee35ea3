"""One row a class: `--format csv`."""

from __future__ import annotations

import csv
import functools
from typing import TextIO

from clsctl.plugin import Writer, hookimpl
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
    without_header = functools.partial(CsvWriter, header=False)
    return [Writer("csv", "One row a class, for spreadsheets.", CsvWriter, without_header)]


class CsvWriter:
    """A failed input is one row with its error; an input without any class is no row."""

    def __init__(self, stream: TextIO, header: bool = True) -> None:
        self._stream = stream
        self._rows = csv.writer(stream, lineterminator="\n")
        if header:
            self._rows.writerow(COLUMNS)

    def write(self, result: Result) -> None:
        """The rows of a result go into the file together, and at once."""
        self._write_rows(result)
        self._stream.flush()

    def _write_rows(self, result: Result) -> None:
        record = result.as_dict()
        page = "" if result.page_index is None else result.page_index
        if result.error is not None:
            error = record["error"]
            row = [result.input_path, page, "", "", "", "", error["code"], error["message"]]
            self._rows.writerow(row)
            return
        names = result.label_names or [""] * len(record["class_ids"])
        classes = zip(record["class_ids"], record["scores"], names, strict=True)
        for rank, (class_id, score, name) in enumerate(classes, start=1):
            self._rows.writerow([result.input_path, page, rank, class_id, score, name, "", ""])

    def close(self) -> None:
        pass
