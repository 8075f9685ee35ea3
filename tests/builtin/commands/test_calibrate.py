from __future__ import annotations

import json
import shutil

import pytest

from clsctl import create_model

pytestmark = pytest.mark.usefixtures("run_ready")

SCREEN = """\
temperature  2.1962  (less sure than before)
NLL          0.9508 -> 0.7711
ECE          0.1609 -> 0.1746
threshold    0.72094  precision 0.9333 (95 % 0.7018 to 0.9881) on 41.7% of the images
"""


@pytest.fixture
def model(tmp_path, run):
    """A copy, since calibration is stored in it."""
    return shutil.copytree(run / "best_model/inference", tmp_path / "model")


def scores(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)[0]["scores"]


def test_calibrate_then_predict(clsctl, model, dataset):
    options = ("--backend", "paddle", "--model-dir", model)
    done = clsctl("calibrate", "-d", dataset, *options, "--target-precision", "0.9")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(SCREEN)
    stored = json.loads((model / "clsctl.json").read_text(encoding="utf-8"))
    assert stored["calibration"]["split"] == "val"
    assert stored["calibration"]["dataset"] == dataset.name
    assert stored["calibration"]["threshold"]["wanted"] == 0.9
    temperature = stored["calibration"]["temperature"]

    predict = ("predict", dataset / "val/2-2.png", *options, "--format", "json")
    plain = scores(clsctl(*predict))
    whole = scores(clsctl(*predict, "--calibrated", "--threshold", "0"))
    powers = [score ** (1 / temperature) for score in plain]
    assert whole == pytest.approx([power / sum(powers) for power in powers], abs=1e-4)
    assert scores(clsctl(*predict, "--calibrated")) == whole[:1]

    python = {"model_dir": model, "backend": "paddle", "calibrated": True}
    image = dataset / "val/2-2.png"
    for threshold, wanted in ((None, whole[:1]), (0, whole)):
        [result] = create_model(**python, threshold=threshold).predict(image)
        assert result.scores == pytest.approx(wanted)


def test_what_was_stored_before_is_kept(call, model, dataset):
    (model / "clsctl.json").write_text('{"export": {"format": "paddle"}}', encoding="utf-8")
    done = call("calibrate", "-d", dataset, "--backend", "paddle", "--model-dir", model)
    assert done.returncode == 0, done.stderr
    assert "threshold" not in done.stdout
    stored = json.loads((model / "clsctl.json").read_text(encoding="utf-8"))
    assert stored["export"] == {"format": "paddle"}
    assert stored["calibration"]["threshold"] is None


def test_a_precision_out_of_reach_leaves_the_temperature_alone(call, tmp_path, model, dataset):
    wrong = shutil.copytree(dataset, tmp_path / "wrong")
    (wrong / "val.txt").write_text("val/2-2.png 0\nval/2-3.png 2\n", encoding="utf-8")
    options = ("--backend", "paddle", "--model-dir", model, "--target-precision", "1")
    done = call("calibrate", "-d", wrong, *options)
    assert done.returncode == 3
    assert "no threshold gives a precision of 1: the best is 0.5000, on 2 images" in done.stderr
    assert "[E_PRECISION]" in done.stderr
    stored = json.loads((model / "clsctl.json").read_text())["calibration"]
    assert stored["temperature"] > 0
    assert stored["threshold"] is None
    image = dataset / "val/2-2.png"
    used = call("predict", image, "-m", model, "--calibrated", "--backend", "paddle")
    assert used.returncode == 0, used.stderr


def test_predict_with_a_model_that_was_never_calibrated(call, model, dataset):
    done = call("predict", dataset / "val/2-2.png", "--model-dir", model, "--calibrated")
    assert done.returncode == 4
    assert "is not calibrated [E_NOT_CALIBRATED]" in done.stderr


@pytest.mark.parametrize("option", [("--precision", "0.9"), ("--precision=0.9",)])
def test_the_old_spelling_of_an_option_is_refused_with_the_new_one(call, option):
    done = call("calibrate", *option)
    assert done.returncode == 2
    assert done.stderr == (
        "error: --precision is now called --target-precision [E_OPTION_RENAMED]\n"
        "hint: write --target-precision 0.9\n"
    )
    assert "--precision " not in call("calibrate", "--help").stdout


def test_a_negative_temperature_is_never_applied(call, model, dataset):
    """It would turn the order of the classes around."""
    stored = {"calibration": {"temperature": -1}}
    (model / "clsctl.json").write_text(json.dumps(stored), encoding="utf-8")
    image = dataset / "val/2-2.png"
    done = call("predict", image, "--model-dir", model, "--calibrated", "--backend", "paddle")
    assert (done.returncode, done.stdout) == (4, "")
    assert "is damaged: temperature: expected a number from 0.05 to 20, not -1" in done.stderr
    assert "hint: run `clsctl calibrate` again" in done.stderr
