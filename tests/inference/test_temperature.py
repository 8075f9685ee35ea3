"""A stored calibration is one that could have been fitted, or an error."""

from __future__ import annotations

import json

import pytest

from clsctl.errors import ModelError
from clsctl.inference.temperature import read_calibration


def store(folder, calibration: object) -> None:
    (folder / "clsctl.json").write_text(json.dumps({"calibration": calibration}))


@pytest.mark.parametrize(
    ("threshold", "least"), [({"score": 0.7, "wanted": 0.9}, 0.7), ({}, 0.0), (None, 0.0)]
)
def test_temperature_and_threshold_are_read(tmp_path, threshold, least):
    store(tmp_path, {"temperature": 2, "threshold": threshold, "split": "val"})
    assert read_calibration(tmp_path) == (2.0, least)


@pytest.mark.parametrize(
    "calibration",
    [
        *({"temperature": value} for value in (-1, 0, 1e-9, 1e9, "1", True, None, [1])),
        {"temperature": 1, "threshold": {"score": -0.1}},
        {"temperature": 1, "threshold": {"score": 1.1}},
        {"temperature": 1, "threshold": 3},
        {"threshold": None},
        [],
        "calibrated",
    ],
)
def test_what_makes_no_sense_is_an_error(tmp_path, calibration):
    store(tmp_path, calibration)
    with pytest.raises(ModelError, match=r"the calibration in .* is damaged: ") as caught:
        read_calibration(tmp_path)
    assert caught.value.code == "E_PROVENANCE"
    assert "run `clsctl calibrate` again" in caught.value.hint
