"""The best model is calibrated on the validation images, in its weights and in what is exported."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fixtures import Run
from tiny_training import MODEL, weights_for, write_dataset

import clsctl
from clsctl.networks.pdparams import read_pdparams

# So weak a penalty makes the classifier surer than it is right; training then changes nothing.
TOO_SURE = {"start.penalty": 1e-5, "optimizer.learning_rate": 1e-12, "epochs": 1}
SMALL = {"batch_size": 20, "data.image_size": 64}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """20 images a class to train with, 40 to validate with."""
    root = write_dataset(tmp_path / "data", 60)
    lines = (root / "train.txt").read_text().splitlines()
    (root / "train.txt").write_text("\n".join(lines[::3]) + "\n")
    (root / "val.txt").write_text("\n".join(lines[1::3] + lines[2::3]) + "\n")
    return root


def test_weights_and_export_are_calibrated(clsctl: Run, data: Path, tmp_path: Path):
    weights = weights_for(5, tmp_path / "other.pdparams")
    options = ("-m", MODEL, "--weights", weights, "-d", data)
    settings = [
        part for item in (TOO_SURE | SMALL).items() for part in ("--set", "=".join(map(str, item)))
    ]
    for name, calibrate in (("on", "true"), ("off", "false")):
        done = clsctl("train", *options, *settings, "--set", f"calibrate={calibrate}", "-o", name)
        assert done.returncode == 0, done.stderr
        assert ("note: calibrated on 120 validation images: temperature " in done.stderr) == (
            name == "on"
        )
    on, off = (
        json.loads((tmp_path / run / "train_result.json").read_text()) for run in ("on", "off")
    )
    assert on["models"]["best"]["score"] == off["models"]["best"]["score"]
    info = json.loads((tmp_path / "on" / "best_model" / "best_model.info.json").read_text())
    fitted = info["calibration"]
    assert fitted["nll"][1] < fitted["nll"][0]
    assert fitted["summary"] in (tmp_path / "on" / "train.log").read_text()
    plain, divided = (
        read_pdparams(tmp_path / run / "best_model" / "best_model.pdparams")
        for run in ("off", "on")
    )
    changed = {name for name in plain if not np.array_equal(plain[name], divided[name])}
    assert changed == {"fc.weight", "fc.bias"}
    for name in changed:
        assert divided[name] * fitted["temperature"] == pytest.approx(plain[name], rel=1e-5)
    # What training continues with is not touched.
    latest = read_pdparams(tmp_path / "on" / "latest" / "latest.pdparams")
    assert latest["fc.weight"] == pytest.approx(plain["fc.weight"], abs=1e-6)


def test_the_exported_model_gives_the_calibrated_scores(data: Path, tmp_path: Path):
    weights = str(weights_for(5, tmp_path / "other.pdparams"))
    result = clsctl.train(MODEL, data, tmp_path / "run", weights=weights, **TOO_SURE, **SMALL)
    info = json.loads((result.weights.parent / "best_model.info.json").read_text())
    for model in ({"weights": result.weights}, {"model_dir": result.model_dir}):
        found = clsctl.evaluate(data, **model)
        assert found.top1 == result.top1
        assert found.ece == pytest.approx(info["calibration"]["ece"][1], abs=1e-3)


def test_a_few_images_calibrate_nothing(tmp_path: Path):
    data = write_dataset(tmp_path / "few")
    result = clsctl.train(MODEL, data, tmp_path / "run", pretrained=False, epochs=1, **SMALL)
    info = json.loads((result.weights.parent / "best_model.info.json").read_text())
    assert "calibration" not in info
