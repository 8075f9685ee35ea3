"""Measurements are kept: the newest of a combination counts, and no other is lost."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measurements import MEASURED, measured

from clsctl.bench.records import (
    best_of_each,
    load_measurements,
    machine,
    records_file,
    save_measurements,
)
from clsctl.errors import DataError

RECORDS = st.builds(
    measured,
    model=st.sampled_from(["A", "B"]),
    ms=st.floats(0.1, 10),
    backend=st.sampled_from(["onnxruntime", "paddle"]),
    batch=st.sampled_from([1, 8]),
    weights=st.sampled_from(["a" * 64, "b" * 64]),
    top1_interval=st.sampled_from([None, (1.0, 2.0)]),
)


def test_what_is_saved_is_loaded(home):
    assert load_measurements() == []
    path = save_measurements([MEASURED])
    assert path == records_file()
    assert path.is_relative_to(home)
    assert load_measurements() == [MEASURED]
    assert json.loads(path.read_text(encoding="utf-8"))["machine"] == machine()


@settings(max_examples=25)
@given(runs=st.lists(st.lists(RECORDS, max_size=4), max_size=4))
def test_the_newest_of_each_combination_counts(runs):
    records_file().unlink(missing_ok=True)
    newest = {}
    for run in runs:
        save_measurements(run)
        newest |= {record.combination: record for record in run}
    loaded = load_measurements()
    assert {record.combination: record for record in loaded} == newest
    assert len(loaded) == len(newest)


def test_measurements_of_other_weights_and_versions_are_kept():
    other = [measured(weights="b" * 64), measured(versions={"clsctl": "0.2.0"})]
    save_measurements([MEASURED])
    save_measurements(other)
    content = json.loads(records_file().read_text(encoding="utf-8"))
    assert len(content["measurements"]) == 3


def test_the_best_of_each_is_exact_and_of_one_image():
    records = [
        measured(ms=2.0, backend="paddle"),
        measured(ms=1.0),
        measured(ms=0.5, precision="bf16"),
        measured(ms=0.4, batch=8),
        measured(ms=0.3, model_dir="/own"),
    ]
    assert best_of_each(records) == {MEASURED.model: records[1]}


@pytest.mark.parametrize("content", ["", "{}", '{"measurements": [{"model": "A"}]}'])
def test_a_damaged_file_is_named(content):
    save_measurements([])
    records_file().write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read") as caught:
        load_measurements()
    assert caught.value.code == "E_BENCH_RECORDS"
    assert str(records_file()) in caught.value.message
