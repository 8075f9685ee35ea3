"""Read a CSV, TSV or Parquet table with columns of paths, classes and perhaps splits.

Columns are found by name, in any case and order. The classes are ids where every one of them is a
whole number, and then named by a label.txt beside the table; otherwise they are names, which get
their ids in alphabetical order.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from clsctl.datasets.layouts.folders import SPLIT_NAMES
from clsctl.datasets.layouts.lists import (
    LABEL_FILE,
    check_label,
    gaps,
    read_class_names,
    whole_number,
)
from clsctl.datasets.problems import Problem, problem
from clsctl.datasets.samples import SPLITS, Dataset, Sample
from clsctl.errors import DataError
from clsctl.installation import install_hint
from clsctl.paths import is_file, open_regular, read_text

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
COLUMNS: Mapping[str, Sequence[str]] = {
    "path": ("path", "image", "image_path", "img", "file", "file_name", "filename", "filepath"),
    "label": ("label", "class", "class_id", "class_name", "category", "target", "label_name"),
    "split": ("split", "subset", "set", "partition"),
}

_LONGEST_HEADER = 1 << 20
"""Bytes of a table's first line; longer ones hold no names of columns."""


class _Row(NamedTuple):
    """A row as it stands: where, path, class and split."""

    file: str
    line: int
    path: str
    label: str
    split: str


def read_tables(root: Path, tables: Sequence[Path]) -> Dataset:
    """Read one table, or several that are called `train.csv`, `val.csv` and so on.

    Raises:
        DataError: A table has no column of paths or classes (`E_DATASET_LAYOUT`), cannot be read
            (`E_DATASET_UNREADABLE`), or pyarrow is missing (`E_EXTRA_MISSING`).
    """
    problems: list[Problem] = []
    rows = [row for table in tables for row in _rows(table, problems)]
    class_names, ids = _classes(root, rows, problems)
    splits: dict[str, list[Sample]] = {}
    for row in rows:
        sample = _sample(row, ids, class_names, problems)
        split = SPLIT_NAMES.get(row.split.lower()) if row.split else "train"
        if split is None:
            message = f"'{row.split}' is not a split"
            problems.append(problem("D_SPLIT_UNKNOWN", message, row.file, row.line))
        elif sample is not None:
            splits.setdefault(split, []).append(sample)
    problems += _missing_splits(splits, tables[0].name)
    ordered = {split: tuple(splits[split]) for split in SPLITS if split in splits}
    return Dataset(root, "table", class_names, ordered, tuple(problems))


def table_error(table: Path) -> DataError | None:
    """Return why a file cannot be read as a table of samples, by its header; None if it can."""
    try:
        _find_columns(table, _header(table))
    except DataError as error:
        return error
    return None


def _header(table: Path) -> Sequence[str]:
    _, header = next(_records(table, rows=False), (0, ()))
    return header


def _records(table: Path, rows: bool = True) -> Iterator[tuple[int, Sequence[str]]]:
    return (_parquet if table.suffix.lower() == ".parquet" else _csv)(table, rows)


def _rows(table: Path, problems: list[Problem]) -> Iterator[_Row]:
    records = _records(table)
    _, header = next(records, (0, ()))
    column = _find_columns(table, header)
    split_by_name = table.stem if table.stem.lower() in SPLIT_NAMES else ""
    for line, record in records:
        if not any(record):
            continue
        if len(record) <= max(column["path"], column["label"]):
            message = f"the row has {len(record)} of {len(header)} fields"
            problems.append(problem("D_LINE_FORMAT", message, table.name, line))
            continue
        split = record[column["split"]] if column.get("split", len(record)) < len(record) else ""
        path, label = record[column["path"]], record[column["label"]]
        yield _Row(table.name, line, path, label, split or split_by_name)


def _csv(table: Path, rows: bool) -> Iterator[tuple[int, Sequence[str]]]:
    """Read rows with the line they end in, the header first; `,`, `;` or tab, as in the header."""
    try:
        text = read_text(table, "utf-8-sig") if rows else _first_line(table)
    except UnicodeDecodeError as error:
        raise _unreadable(table, f"it is not UTF-8: {error}") from None
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for record in reader:
            yield reader.line_num, [field.strip() for field in record]
    except csv.Error as error:
        raise _unreadable(table, str(error)) from None


def _first_line(table: Path) -> str:
    with open_regular(table) as stream:
        return stream.readline(_LONGEST_HEADER).decode("utf-8-sig")


def _parquet(table: Path, rows: bool) -> Iterator[tuple[int, Sequence[str]]]:
    """Read rows numbered from 1, after the header."""
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise DataError(
            f"{table} is a Parquet table, which needs pyarrow",
            code="E_EXTRA_MISSING",
            hint=install_hint("pyarrow"),
        ) from None
    try:
        with open_regular(table) as stream:
            if rows:
                content = parquet.read_table(stream)
            else:
                content = parquet.read_schema(stream).empty_table()
    except (arrow.ArrowException, OSError) as error:
        raise _unreadable(table, str(error)) from None
    yield 0, content.column_names
    columns = [column.to_pylist() for column in content.columns]
    for number, values in enumerate(zip(*columns, strict=True), 1):
        yield number, ["" if value is None else str(value).strip() for value in values]


def _find_columns(table: Path, header: Sequence[str]) -> dict[str, int]:
    lowered = [name.strip().lower() for name in header]
    found = {
        meaning: lowered.index(name)
        for meaning, names in COLUMNS.items()
        for name in reversed(names)
        if name in lowered
    }
    for meaning in ("path", "label"):
        if meaning not in found:
            raise DataError(
                f"{table} has no column for the {meaning}: its columns are {', '.join(header)}",
                code="E_DATASET_LAYOUT",
                hint=f"call the column '{meaning}' in the first line; also understood are "
                f"{', '.join(COLUMNS[meaning][1:])}",
            )
    return found


def _classes(
    root: Path, rows: Sequence[_Row], problems: list[Problem]
) -> tuple[dict[int, str], Mapping[str, int] | None]:
    """Return names by id, and ids by name where the table holds names."""
    first = {row.label: row for row in reversed(rows) if row.label}
    numbers = [whole_number(label) for label in first]
    if None in numbers or not numbers:
        names = dict(enumerate(sorted(first)))
        return names, {name: class_id for class_id, name in names.items()}
    if is_file(root / LABEL_FILE):
        return read_class_names(root, problems)[0], None
    lines = {int(label): row.line for label, row in first.items() if int(label) >= 0}
    problems += gaps(lines, rows[0].file)
    return {class_id: str(class_id) for class_id in sorted(lines)}, None


def _sample(
    row: _Row,
    ids: Mapping[str, int] | None,
    class_names: Mapping[int, str],
    problems: list[Problem],
) -> Sample | None:
    for meaning, value in (("path", row.path), ("class", row.label)):
        if not value:
            message = f"the {meaning} is empty"
            problems.append(problem("D_LINE_FORMAT", message, row.file, row.line))
            return None
    if ids is not None:
        return Sample(row.path, ids[row.label], row.file, row.line)
    label = int(row.label)
    problems += check_label(label, class_names, row.file, row.line)
    return Sample(row.path, label, row.file, row.line)


def _missing_splits(splits: Mapping[str, Sequence[Sample]], file: str) -> Iterator[Problem]:
    if not splits.get("train"):
        yield problem("D_LIST_EMPTY", "no row is a training sample", file)
    if not splits.get("val"):
        yield problem("D_NOT_SPLIT", "no row is a validation sample", file)


def _unreadable(table: Path, reason: str) -> DataError:
    return DataError(f"cannot read {table}: {reason}", code="E_DATASET_UNREADABLE")
