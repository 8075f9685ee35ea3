from __future__ import annotations

import ast
import json
import re
import shutil
import sys
from pathlib import Path

import evaluating
import limits
import pytest

import clsctl as clsctl_package
from clsctl.models.directory import read_model_dir

OLD_KEYS = ("labels", "transform_ops")


def test_export_then_predict(clsctl, tmp_path, dataset, run):
    done = clsctl("export", "--weights", run, "-o", "model", "-d", dataset)
    assert done.returncode == 0, done.stderr
    heading, parity, accuracy = done.stdout.splitlines()
    assert heading == "MobileNetV1_x0_25, 3 classes: model"
    assert re.fullmatch(
        r"inference.json: log-probabilities within \S+ of the network's on 16 real and 9 "
        r"synthetic images \(limit 0.001\)",
        parity,
    )
    assert accuracy == "top-1 of the network 0.7222, of the exported model 0.7222"
    names = ["clsctl.json", "inference.json", "inference.pdiparams", "inference.yml"]
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == names
    facts = json.loads((tmp_path / "model/clsctl.json").read_text(encoding="utf-8"))
    assert facts["export"]["format"] == "paddle"
    assert sorted(facts["files"]) == names[1:]

    image = dataset / "val/2-2.png"
    done = clsctl("predict", image, "--model-dir", "model", "--format", "json")
    assert json.loads(done.stdout)[0]["label_names"][0] == "blue 蓝"


def test_export_to_openvino(call, tmp_path, run):
    pytest.importorskip("openvino")
    pytest.importorskip("paddle2onnx")
    done = call("export", "--weights", run, "-o", "model", "--to", "openvino")
    assert done.returncode == 0, done.stderr
    *_, parity = done.stdout.splitlines()
    assert parity.startswith("inference.xml: log-probabilities within ")
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names >= {"inference.json", "inference.xml", "inference.bin"}


def test_an_onnx_file_says_what_others_ask_it(call, tmp_path, run, dataset):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("paddle2onnx")
    assert call("export", "-m", run, "-o", "model", "--to", "onnx").returncode == 0
    model = onnx.load(tmp_path / "model" / "inference.onnx")
    ends = [
        (end.name, end.type.tensor_type.shape.dim[0].dim_param)
        for end in (*model.graph.input, *model.graph.output)
    ]
    assert ends == [("image", "batch"), ("probabilities", "batch")]
    said = {prop.key: prop.value for prop in model.metadata_props}
    assert ast.literal_eval(said["names"]) == {0: "red <b>", 1: "green", 2: "blue 蓝"}
    assert (said["task"], said["imgsz"], said["batch"]) == ("classify", "[32, 32]", "1")
    assert ast.literal_eval(said["mean"]) == (0.485, 0.456, 0.406)
    assert said["interpolation"] == "bilinear"

    image = dataset / "val" / "2-2.png"
    alone = tmp_path / "alone.onnx"
    shutil.copy(tmp_path / "model" / "inference.onnx", alone)
    (of_run, of_file) = (
        json.loads(call("predict", image, "-m", model, "--format", "json").stdout)
        for model in (run, alone)
    )
    assert of_run[0]["label_names"] == of_file[0]["label_names"]
    # An older export has neither these names nor its own.
    for prop in [prop for prop in model.metadata_props if prop.key not in OLD_KEYS]:
        model.metadata_props.remove(prop)
    onnx.save(model, str(tmp_path / "old.onnx"))
    old = call("predict", image, "-m", "old.onnx", "--format", "json")
    assert json.loads(old.stdout)[0]["label_names"] == of_run[0]["label_names"]


def test_without_a_check_it_says_so(call, run):
    done = call("export", "--weights", run / "best_model", "-o", "model", "--no-check")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "MobileNetV1_x0_25, 3 classes: model\nnot checked\n"


def test_what_is_there_is_never_overwritten(call, tmp_path, run):
    (tmp_path / "model").mkdir()
    done = call("export", "--weights", run, "-o", "model")
    assert done.returncode == 3
    assert "[E_EXISTS]" in done.stderr
    assert not any((tmp_path / "model").iterdir())


def test_a_place_that_cannot_be_written(call, tmp_path, run):
    (tmp_path / "file").touch()
    done = call("export", "--weights", run, "-o", "file/model", "--no-check")
    assert done.returncode == 2
    assert done.stderr == "error: cannot write file/model: Not a directory [E_OUTPUT]\n"


@pytest.mark.parametrize("to", ["paddle", "paddle-legacy", "openvino"])
def test_a_full_disk_is_called_so_and_leaves_nothing(tmp_path, monkeypatch, run, to):
    """No file may become larger than 300 kB; Paddle itself says nothing of that."""
    if to == "openvino":
        pytest.importorskip("openvino")
        pytest.importorskip("paddle2onnx")
    monkeypatch.chdir(tmp_path)
    arguments = ("export", "--weights", run, "-o", "model", "--no-check", "--to", to)
    done = limits.run_clsctl(*arguments, file_kb=300)
    assert done.returncode == 2, done.stderr
    assert "the disk that holds model is full: File too large [E_DISK_FULL]" in done.stderr
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("to", ["paddle", "paddle-legacy", "onnx", "openvino"])
def test_an_exported_model_holds_no_path_of_this_machine(call, tmp_path, run, to):
    if to in ("onnx", "openvino"):
        pytest.importorskip("paddle2onnx")
        pytest.importorskip("openvino")
    shutil.copytree(run, tmp_path / "of A. CLIENT")
    weights = (tmp_path / "of A. CLIENT").absolute()
    done = call("export", "--weights", weights, "-o", tmp_path / "model", "--to", to)
    assert done.returncode == 0, done.stderr
    assert paths_in(tmp_path / "model", tmp_path) == []


def test_a_runs_best_model_holds_no_path_of_this_machine(run):
    assert paths_in(run / "best_model", run.parent) == []


def paths_in(folder: Path, *private: Path) -> list[tuple[str, str]]:
    """The files that name one of these folders, or where Python or clsctl is installed."""
    package = Path(clsctl_package.__file__).parents[1]
    places = [str(place) for place in (*private, package, sys.prefix, Path.home())]
    return [
        (file.name, place)
        for file in folder.rglob("*")
        if file.is_file()
        for place in places
        if len(place) > 5 and place.encode() in file.read_bytes()
    ]


def test_an_unknown_format(call, tmp_path, run):
    done = call("export", "--weights", run, "-o", "model", "--to", "onx")
    assert done.returncode == 2
    assert "unknown exporter 'onx'. Did you mean onnx? [E_EXPORTER_UNKNOWN]" in done.stderr


def test_damaged_weights_leave_nothing(call, tmp_path, run):
    whole = (run / "best_model/best_model.pdparams").read_bytes()
    (tmp_path / "cut.pdparams").write_bytes(whole[:5000])
    done = call("export", "-m", evaluating.NAME, "--weights", "cut.pdparams", "-o", "model")
    assert done.returncode == 4
    assert "[E_CHECKPOINT]" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["cut.pdparams"]


@pytest.mark.parametrize("what", ["", "best_model/best_model.pdparams"])
def test_m_names_what_is_exported(call, run, what):
    done = call("export", "-m", run / what, "-o", "model", "--no-check")
    assert done.returncode == 0, done.stderr
    assert Path("model/inference.yml").is_file()


def test_a_model_without_training_weights_is_refused(call, tiny):
    done = call("export", "-m", tiny, "-o", "model")
    assert done.returncode == 2
    reason = f"'{tiny}' is an exported model, without training weights beside it [E_MODEL_CHOICE]"
    assert reason in done.stderr


def test_the_published_weights_of_a_model_by_its_name(call, tmp_path):
    """A plugin brings them; those of a catalog's are pulled in the same way."""
    done = call("export", "-m", "efficientnet-lite0", "-o", "model")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("EfficientNet-Lite0, 1000 classes: model\n")
    labels = read_model_dir(tmp_path / "model").labels
    assert labels[7] == "cock"
