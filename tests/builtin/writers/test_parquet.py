from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import records

from clsctl.builtin.writers import parquet as module
from clsctl.builtin.writers.parquet import ParquetWriter
from clsctl.result import Result
from clsctl.system.files import open_output

parquet = pytest.importorskip("pyarrow.parquet")


def write(path: Path, *results: Result) -> None:
    with open_output(path) as stream:
        writer = ParquetWriter(stream)
        for result in results:
            writer.write(result)
        writer.close()


def test_a_row_holds_what_a_line_of_json_does(tmp_path):
    write(tmp_path / "out.parquet", *records.several())
    rows = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    for row, result in zip(rows, records.several(), strict=True):
        expected = dict.fromkeys(row) | result.as_dict()
        scores, wanted = row.pop("scores"), expected.pop("scores")
        assert row == expected
        assert scores == (wanted and np.asarray(wanted, np.float32).tolist())


def test_the_types_are_the_same_without_any_row(tmp_path):
    write(tmp_path / "none.parquet")
    write(tmp_path / "some.parquet", *records.several())
    none, some = (parquet.read_table(tmp_path / f"{name}.parquet") for name in ("none", "some"))
    assert (none.num_rows, none.schema) == (0, some.schema)


def test_rows_are_written_in_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ROWS", 4)
    write(tmp_path / "out.parquet", *records.several(), *records.several())
    metadata = parquet.read_metadata(tmp_path / "out.parquet")
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [4, 4, 2]
