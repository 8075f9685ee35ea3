from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import cv2
import evaluating
import far_plugin
import models
import pytest

pytestmark = pytest.mark.usefixtures("run_ready")

TABLE = """\
Class          Precision  Recall         95 %     F1  Images
red <b>            0.714   0.455  0.213-0.720  0.556      11
green              0.692   0.750  0.468-0.911  0.720      12
blue 蓝            0.750   0.923  0.667-0.986  0.828      13
macro mean         0.719   0.709               0.701
weighted mean      0.720   0.722               0.709
"""
SCREEN = f"""\
MobileNetV1_x0_25 on evaluating-dataset, split val
36 images, 3 classes, by the training network on cpu

val.top1  72.22 %  95 % interval 56.01 to 84.15
val.top5  100.00 %  (meaningless with 3 classes)
balanced  70.92 %  (mean recall)
ECE       0.1609  (expected calibration error)

{TABLE}
10 mistakes: see mistakes.html

Files: out/evaluate_result.json and out/evaluation
"""


def rows(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def test_an_image_of_a_name_that_is_no_utf8_is_written_as_predict_prints_it(
    call, tmp_path, dataset, run
):
    names = [line.split(" ", 1)[1] for line in (dataset / "label.txt").read_text().splitlines()]
    for line in (dataset / "val.txt").read_text().splitlines():
        path, _, label = line.rpartition(" ")
        for split in ("train", "val"):
            folder = tmp_path / "tree" / split / names[int(label)]
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(dataset / path, os.fsencode(folder / Path(path).stem) + b"\xe9.png")
    done = call("eval", "-d", "tree", "--weights", run, "-o", "out")
    assert done.returncode == 0, done.stderr
    predictions = rows(tmp_path / "out/evaluation/predictions.csv")[1:]
    assert len(predictions) == 36
    assert all(path.endswith("?.png") for path, *_ in predictions)


def test_eval_of_a_run(clsctl, tmp_path, dataset, run):
    done = clsctl("eval", "-d", dataset, "--weights", run, "-o", "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n".join(line.rstrip() for line in done.stdout.split("\n")) == SCREEN

    result = json.loads((tmp_path / "out/evaluate_result.json").read_text(encoding="utf-8"))
    assert result["done_flag"] is True
    assert result["metrics"] == {"val.top1": 26 / 36, "val.top5": 1.0}
    assert result["clsctl"]["top1"]["interval95"] == pytest.approx([0.5601, 0.8415], abs=1e-4)
    assert result["clsctl"]["top5"]["meaningful"] is False
    assert [figures["support"] for figures in result["clsctl"]["per_class"]] == [11, 12, 13]

    files = tmp_path / "out/evaluation"
    matrix = [[int(cell) for cell in row[1:]] for row in rows(files / "confusion_matrix.csv")[1:]]
    assert sum(map(sum, matrix)) == 36
    assert sum(matrix[i][i] for i in range(3)) == 26
    predictions = rows(files / "predictions.csv")
    assert predictions[0] == ["path", "label", "predicted", "confidence"]
    assert sum(row[1] == row[2] for row in predictions[1:]) == 26
    assert rows(files / "suspected_labels.csv")[1:] == []
    for name in ("confusion_matrix.png", "reliability.png"):
        assert cv2.imread(str(files / name)).std() > 10


def test_the_gallery_stands_alone_and_escapes_names(call, tmp_path, dataset, run):
    assert call("eval", "-d", dataset, "--weights", run).returncode == 0
    page = (tmp_path / "output/evaluation/mistakes.html").read_text(encoding="utf-8")
    assert page.count("<figure>") == page.count("data:image/jpeg;base64,") == 10
    assert "Most confident mistakes (10)" in page
    assert "None: this model cannot tell wrong labels from its own mistakes." in page
    assert "red &lt;b&gt;" in page
    assert "red <b>" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_strong_model_finds_the_wrong_labels_and_says_how_many(call, tmp_path):
    wrong = ("val/0-3.png", "val/1-5.png", "val/1-9.png")
    data = tmp_path / "data"
    evaluating.make_dataset(data, wrong, val=40, tint=(100, 130))
    evaluating.make_run(tmp_path / "run", dataset=data)
    done = call("eval", "-d", data, "-m", "run")
    assert done.returncode == 0, done.stderr
    suspects = rows(tmp_path / "output/evaluation/suspected_labels.csv")[1:]
    assert set(wrong) <= {row[0] for row in suspects}
    said = f" and {len(suspects)} labels worth checking, of which about 3 are wrong: see "
    assert said in done.stdout
    page = (tmp_path / "output/evaluation/mistakes.html").read_text(encoding="utf-8")
    assert f"Labels worth checking ({len(suspects)})" in page
    assert "About 3 of these labels are wrong" in page
    result = json.loads((tmp_path / "output/evaluate_result.json").read_text(encoding="utf-8"))
    assert result["clsctl"]["suspected_labels"] == len(suspects)
    assert result["clsctl"]["suspected_labels_wrong"] == pytest.approx(3, abs=0.5)


def test_eval_of_an_exported_model_agrees(call, tmp_path, dataset, run):
    model = run / "best_model/inference"
    options = ("--model-dir", model, "--backend", "paddle", "-o", "out", "-b", "7")
    done = call("eval", "-d", dataset, *options)
    assert done.returncode == 0, done.stderr
    assert "by paddle on cpu" in done.stdout
    assert "val.top1  72.22 %  95 % interval 56.01 to 84.15" in done.stdout


def test_an_executor_runs_an_exported_model(clsctl, tmp_path, dataset, run):
    env = far_plugin.install(tmp_path / "site")
    model = ("--model-dir", run / "best_model/inference", "--backend", "paddle")
    far = ("--executor", "far", "--far-workers", "3", "-o", "far")
    done = clsctl("eval", "-d", dataset, *model, *far, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("FarOptions(far_workers=3, far_host=None)\nMobileNetV1_x0_25 on")
    clsctl("eval", "-d", dataset, *model, "-o", "here")
    files = [tmp_path / name / "evaluation/predictions.csv" for name in ("far", "here")]
    assert files[0].read_bytes() == files[1].read_bytes()

    refused = clsctl("eval", "-d", dataset, "--weights", run, *far, env=env)
    assert refused.returncode == 2
    assert "are evaluated in this process, not by --executor far [E_MODEL_CHOICE]" in refused.stderr


@pytest.mark.skipif(not models.QUANTISES, reason=models.QUANTISES_WHERE)
def test_a_precision_is_that_of_the_exported_model(call, dataset, run):
    model = ("--model-dir", run / "best_model/inference", "--backend", "onnxruntime")
    refused = call("eval", "-d", dataset, *model, "--precision", "int8")
    assert refused.returncode == 4
    assert "[E_PRECISION_MISSING]" in refused.stderr
    limits = ("--max-drop", "100", "--min-agreement", "0")
    assert call("quantize", "-d", dataset, *model[:2], *limits).returncode == 0
    done = call("eval", "-d", dataset, *model, "--precision", "int8", "--offline")
    assert done.returncode == 0, done.stderr
    assert "by onnxruntime on cpu in int8" in done.stdout


def test_an_image_that_cannot_be_read_ends_it(call, tmp_path, dataset, run):
    broken = tmp_path / "broken"
    shutil.copytree(dataset, broken)
    (broken / "val/1-1.png").write_bytes(b"nothing")
    for model in (("--model-dir", run / "best_model/inference"), ("--weights", run)):
        done = call("eval", "-d", broken, *model, "-o", "out")
        assert done.returncode == 3
        assert "val/1-1.png" in done.stderr
        assert "[E_IMAGE_UNSUPPORTED]" in done.stderr
        assert not (tmp_path / "out").exists()


def test_compare(call, tmp_path, dataset, run):
    done = call("eval", "-d", dataset, "--compare", run, run / "best_model/inference", "-o", "out")
    assert done.returncode == 0, done.stderr
    assert "B - A  +0.00 points" in done.stdout
    assert "only A is right on 0, only B on 0; McNemar p = 1\n" in done.stdout
    assert "not shown to be more than chance" in done.stdout
    found = json.loads((tmp_path / "out/compare_result.json").read_text(encoding="utf-8"))
    assert found["comparison"]["p_value"] == 1
    assert [model["top1"]["value"] for model in found["models"]] == [26 / 36, 26 / 36]
    assert rows(tmp_path / "out/comparison.csv") == [["path", "label", "first", "second"]]


def test_a_wrong_model_leaves_no_files(call, tmp_path, dataset):
    done = call("eval", "-d", dataset, "--weights", "nowhere.pdparams", "-o", "out")
    assert done.returncode == 4
    assert "there are no weights at 'nowhere.pdparams' [E_WEIGHTS_NOT_FOUND]" in done.stderr
    assert not (tmp_path / "out").exists()


def test_compare_takes_no_other_model(call, dataset, run):
    done = call("eval", "-d", dataset, "--compare", run, run, "-m", "PP-LCNet_x1_0")
    assert done.returncode == 2
    assert "[E_MODEL_CHOICE]" in done.stderr


@pytest.mark.parametrize("what", ["", "best_model/inference", "best_model/best_model.pdparams"])
def test_m_names_a_run_a_model_directory_or_weights(call, dataset, run, what):
    done = call("eval", "-d", dataset, "-m", run / what, "-o", "out", "--backend", "auto")
    assert done.returncode == 0, done.stderr
    assert "val.top1  72.22 %" in done.stdout


def test_an_output_that_cannot_be_written_is_found_before_anything_is_measured(call, run, tmp_path):
    """The dataset is not even looked for."""
    (tmp_path / "file").touch()
    done = call("eval", "-m", run, "-d", "nowhere", "-o", "file/out")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith("error: cannot write file/out: ")
    assert "[E_OUTPUT]" in done.stderr
    assert call("eval", "-m", run, "-d", "nowhere", "-o", "new/out").returncode == 3
    assert not (tmp_path / "new").exists()
