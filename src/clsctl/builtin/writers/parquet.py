"""Write one row an image, with lists of classes: `--format parquet`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

from clsctl.errors import DataError, UsageError
from clsctl.installation import install_hint
from clsctl.plugin import Writer, hookimpl

if TYPE_CHECKING:
    import pyarrow

    from clsctl.result import Result

ROWS = 10_000
"""In a row group, which is what is kept in memory before it is written."""


@hookimpl
def clsctl_writers() -> list[Writer]:
    return [Writer("parquet", "One row an image, with lists of classes.", ParquetWriter)]


class ParquetWriter:
    """Writes the fields of a line of `--format jsonl` as columns; see `_schema`."""

    def __init__(self, stream: TextIO) -> None:
        if stream.isatty():
            raise UsageError(
                "a Parquet file is nothing to read on a terminal",
                code="E_OUTPUT",
                hint="write it to a file with -o results.parquet",
            )
        parquet = _pyarrow().parquet
        self._rows: list[dict[str, Any]] = []
        self._file = parquet.ParquetWriter(stream.buffer, _schema(), compression="zstd")

    def write(self, result: Result) -> None:
        self._rows.append(result.as_dict())
        if len(self._rows) == ROWS:
            self._write_rows()

    def close(self) -> None:
        self._write_rows()
        self._file.close()

    def _write_rows(self) -> None:
        rows, self._rows = self._rows, []
        self._file.write_table(_pyarrow().Table.from_pylist(rows, _schema()))


def _schema() -> pyarrow.Schema:
    """Return the columns: with an error the lists are null, without one `error` is."""
    pa = _pyarrow()
    return pa.schema(
        {
            "input_path": pa.string(),
            "page_index": pa.int32(),
            "class_ids": pa.list_(pa.int32()),
            "scores": pa.list_(pa.float32()),
            "label_names": pa.list_(pa.string()),
            "error": pa.struct({"code": pa.string(), "message": pa.string()}),
        }
    )


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError(
            "writing Parquet needs the package pyarrow, which is not installed",
            code="E_EXTRA_MISSING",
            hint=install_hint("pyarrow"),
        ) from None
    return pyarrow
