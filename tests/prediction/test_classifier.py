"""The Python API as PaddleX's documentation teaches it."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import models
import numpy as np
import pictures
import pytest
from PIL import Image

import clsctl
from clsctl import ClsctlError, create_model, create_pipeline

SCRIPT = """\
from clsctl import create_model
model = create_model(model_name="PP-LCNet_x1_0")
output = model.predict("general_image_classification_001.jpg", batch_size=1)
for res in output:
    res.print(json_format=False)
    res.save_to_img("./output/")
    res.save_to_json("./output/res.json")
"""
"""The specification's script with the import changed."""

NAMES = {"array": np.array, "int32": np.int32, "float32": np.float32}


@pytest.fixture
def model(ready: Path) -> clsctl.Classifier:
    return create_model(model_dir=ready)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    content = pictures.encoded(pictures.photo(), "PNG")
    return pictures.write(tmp_path, {"photo.png": content})["photo.png"]


def answers(results) -> list[tuple[str, list[int], list[float]]]:
    return [(r.input_path, r.class_ids.tolist(), r.scores.tolist()) for r in results]


def test_the_script_of_the_specification_runs_with_its_import_changed(ready, tmp_path, call):
    """PP-LCNet_x1_0 is the small model of the tests under that name."""
    assert call("models", "import", ready, "--name", "PP-LCNet_x1_0").returncode == 0
    image = pictures.encoded(pictures.photo(), "JPEG")
    pictures.write(tmp_path, {"general_image_classification_001.jpg": image})
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, cwd=tmp_path, check=True
    )
    printed = eval(done.stdout, NAMES)["res"]
    assert list(printed) == ["input_path", "page_index", "class_ids", "scores", "label_names"]
    assert printed["input_path"] == "general_image_classification_001.jpg"
    assert printed["page_index"] is None
    assert printed["label_names"] == [models.LABELS[i] for i in printed["class_ids"]]
    assert (printed["class_ids"].dtype, printed["scores"].dtype) == (np.int32, np.float32)
    saved = json.loads((tmp_path / "output" / "res.json").read_text("utf-8"))
    assert saved["class_ids"] == printed["class_ids"].tolist()
    with Image.open(tmp_path / "output" / "general_image_classification_001_res.jpg") as drawn:
        assert drawn.size == (pictures.WIDTH, pictures.HEIGHT)


PIPELINE = """\
pipeline_name: image_classification
SubModules:
  ImageClassification:
    module_name: image_classification
    model_name: MobileNetV1_x0_25
    model_dir: {folder}
    batch_size: 4
    topk: 2
"""


def test_paddlex_s_pipeline_runs_from_its_file(ready, photo, tmp_path):
    (tmp_path / "pipeline.yaml").write_text(PIPELINE.format(folder=ready))
    pipeline = create_pipeline(tmp_path / "pipeline.yaml", device="cpu")
    [found] = pipeline.predict(str(photo))
    assert (len(found.class_ids), pipeline.job.batch_size) == (2, 4)
    [more] = pipeline.predict(input=str(photo), topk=3)
    assert more.class_ids[:2].tolist() == found.class_ids.tolist()


def test_paddlex_s_pipeline_runs_by_name_with_the_model_that_is_here(ready, photo, call):
    assert call("models", "import", ready, "--name", "PP-LCNet_x1_0").returncode == 0
    pipeline = create_pipeline(
        "image_classification", use_hpip=True, hpi_config={"backend": "paddle"}
    )
    assert pipeline.model.directory.parent.name == "PP-LCNet_x1_0"
    assert pipeline.backend == "paddle"
    module = {"ImageClassification": {"model_dir": str(ready), "topk": 1}}
    config = {"pipeline_name": "image_classification", "SubModules": module}
    by_config = create_pipeline(config=config, engine="paddle_static")
    assert (by_config.topk, by_config.backend) == (1, "paddle")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"pipeline": "OCR"}, "E_PIPELINE"),
        ({}, "E_PIPELINE"),
        ({"config": {"pipeline_name": "OCR"}}, "E_PIPELINE"),
        ({"config": {"SubModules": {"ImageClassification": 3}}}, "E_CONFIG"),
        ({"pipeline": "none.yaml"}, "E_CONFIG"),
        ({"pipeline": "image_classification", "engine": "tensorflow"}, "E_VALUE"),
    ],
)
def test_another_pipeline_is_refused(arguments, code):
    with pytest.raises(ClsctlError) as caught:
        create_pipeline(**arguments)
    assert caught.value.code == code


def test_what_of_a_pipeline_has_no_effect_is_noted(ready, capsys):
    config = {"SubModules": {"ImageClassification": {"model_dir": str(ready), "odd": 1}}}
    create_pipeline(
        config=config,
        engine_config={"run_mode": "paddle"},
        use_hpip=True,
        hpi_config={"auto_config": True, "backend_config": {"cpu_num_threads": 8}},
        engine="paddle",
    )
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if "effect" in line] == [
        "note: SubModules.ImageClassification.odd has no effect",
        "note: engine_config of create_pipeline has no effect",
        "note: backend_config of hpi_config has no effect",
    ]


def test_the_first_call_prints_nothing_of_paddle_s(ready, photo):
    """In a fresh process, by the backend that imports Paddle, and with the trainable networks."""
    code = (
        "import clsctl, sys\n"
        "model = clsctl.create_model(model_dir=sys.argv[1], backend='paddle')\n"
        "list(model.predict(sys.argv[2]))\n"
        "clsctl.build('MobileNetV1_x0_25', num_classes=2)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, ready, photo], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, clsctl; print([m for m in ('numpy', 'cv2', 'paddle') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"[]\n"


def test_the_parameters_of_the_specification_are_accepted(ready, photo):
    model = create_model(
        model_name="MobileNetV1_x0_25", model_dir=str(ready), device="cpu", topk=2, use_hpip=True
    )
    [result] = model.predict(input=str(photo), batch_size=1, topk=3)
    assert len(result.class_ids) == 3
    [result] = model.predict(str(photo))
    assert len(result.class_ids) == 2
    [called] = model(str(photo))
    assert dict(called)["class_ids"].tolist() == result["class_ids"].tolist()


def test_without_any_topk_the_model_decides(model, photo):
    [result] = model.predict(photo)
    assert len(result.class_ids) == 5


def test_a_file_and_its_pixels_give_the_same(model, photo):
    [from_path], [from_text] = model.predict(photo), model.predict(str(photo))
    pixels = cv2.imread(str(photo))
    [from_array] = model.predict(pixels)
    [from_bytes] = model.predict(photo.read_bytes())
    named = answers([from_path, from_text, from_array, from_bytes])
    assert [name for name, *_ in named] == [str(photo), str(photo), "array[0]", "bytes[0]"]
    assert len({(tuple(ids), tuple(scores)) for _, ids, scores in named}) == 1
    [swapped] = model.predict(np.ascontiguousarray(pixels[:, :, ::-1]))
    assert swapped.scores.tolist() != from_array.scores.tolist()


def test_a_grey_array_is_an_image(model):
    grey = pictures.photo()[:, :, 0]
    [flat], [deep] = model.predict(grey), model.predict(np.dstack([grey] * 3))
    assert flat.scores.tolist() == deep.scores.tolist()


def test_a_list_may_hold_anything_and_keeps_its_order(model, photo, tmp_path):
    pixels = cv2.imread(str(photo))
    inputs = [str(photo), pixels, tmp_path, [pixels[::-1].copy(), "none.png"], 7]
    results = list(model.predict(inputs, batch_size=2))
    names = [result.input_path for result in results]
    assert names == [str(photo), "array[0]", str(photo), "array[1]", "none.png", "int[0]"]
    codes = [result.error.code if result.error else "" for result in results]
    assert codes == ["", "", "", "", "E_INPUT_MISSING", "E_INPUT_TYPE"]


def test_nothing_happens_until_somebody_asks(model, photo):
    seen = []

    def inputs():
        for _ in range(1000):
            seen.append(photo)
            yield photo

    output = model.predict(inputs())
    assert seen == []
    assert next(output).input_path == str(photo)
    assert 0 < len(seen) < 100
    output.close()
    assert len(list(model.predict(photo))) == 1


@pytest.mark.parametrize("value", [0, -1, 2.5, "5"])
@pytest.mark.parametrize("name", ["topk", "batch_size"])
def test_values_that_make_no_sense_are_refused_at_once(model, photo, name, value):
    with pytest.raises(ClsctlError, match=f"{name} must be a whole number, 1 or more") as caught:
        model.predict(photo, **{name: value})
    assert caught.value.code == "E_VALUE"


def test_numbers_of_numpy_are_numbers(model, photo):
    [result] = model.predict(photo, topk=np.int64(2), batch_size=np.int32(3))
    assert len(result.class_ids) == 2


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"topk": 0}, "E_VALUE"),
        ({"device": "gpu:0"}, "E_DEVICE_MISSING"),
        ({"device": "vpu"}, "E_DEVICE_UNKNOWN"),
        ({"backend": "none"}, "E_BACKEND_UNKNOWN"),
        ({"model_name": "ResNet50"}, "E_MODEL_NAME_MISMATCH"),
        ({"model_dir": "none"}, "E_MODEL_DIR_INVALID"),
    ],
)
def test_a_model_that_cannot_be_made_says_why(ready, monkeypatch, options, code):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ClsctlError) as caught:
        create_model(**({"model_dir": ready} | options))
    assert caught.value.code == code


def test_settings_of_the_environment_hold_for_python_too(ready, photo, monkeypatch):
    monkeypatch.setenv("CLSCTL_BACKEND", "paddle")
    assert create_model(model_dir=ready).backend == "paddle"
    assert create_model(model_dir=ready, backend="auto").backend == models.BACKEND


def test_two_generators_of_one_model_do_not_disturb_each_other(model, photo):
    first, second = model.predict([photo] * 5), model.predict([photo] * 5)
    mixed = [next(source) for _ in range(5) for source in (first, second)]
    assert len({tuple(result.scores.tolist()) for result in mixed}) == 1


SIDE_EFFECTS = """\
import os, sys
before = dict(os.environ)
import clsctl
from clsctl.system.memory import reuse_memory
results = list(clsctl.create_model(model_dir=sys.argv[1]).predict(sys.argv[2:]))
assert [result.error is None for result in results] == [True, False]
changed = {name for name, value in os.environ.items() if before.get(name) != value}
# What OpenCV's own package sets when it is imported is no business of clsctl, and without the other
# one Paddle prints what only those who debug it need.
print(changed - {"LD_LIBRARY_PATH", "GLOG_minloglevel"}, reuse_memory.cache_info().currsize)
"""


def test_the_environment_and_the_allocator_are_left_as_they_are(ready, photo, tmp_path):
    pytest.importorskip("paddle2onnx", reason="it has no build for Python 3.13")
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(pictures.encoded(pictures.photo(), "JPEG")[:-200])
    command = [sys.executable, "-c", SIDE_EFFECTS, ready, photo, broken]
    # Tests in this process may have set the others.
    kept = {name: os.environ[name] for name in ("PATH", "CLSCTL_HOME", "CLSCTL_BACKEND")}
    done = subprocess.run(command, capture_output=True, check=True, text=True, env=kept)
    assert done.stdout == "set() 0\n"


# ---- other processes ---------------------------------------------------------------------------

ELSEWHERE = """
import os, pickle, sys
os.chdir("/")
model = pickle.loads(sys.stdin.buffer.read())
results = list(model.predict([sys.argv[1], "/nowhere.jpg"]))
sys.stdout.buffer.write(pickle.dumps(results))
"""


def test_a_pickled_model_gives_equal_results(ready, photo, monkeypatch):
    monkeypatch.chdir(ready.parent)
    model = create_model(model_dir=ready.name, topk=3, threshold=0.01)
    expected = [result.as_dict() for result in model.predict([str(photo), "/nowhere.jpg"])]
    copy = pickle.loads(pickle.dumps(model))
    assert [result.as_dict() for result in copy.predict([str(photo), "/nowhere.jpg"])] == expected
    assert (copy.topk, copy.threshold, copy.backend) == (3, 0.01, model.backend)
    command = [sys.executable, "-c", ELSEWHERE, str(photo)]
    done = subprocess.run(command, input=pickle.dumps(model), capture_output=True, check=True)
    results = pickle.loads(done.stdout)
    assert [result.as_dict() for result in results] == expected
    assert results[0].img["res"].size == (pictures.WIDTH, pictures.HEIGHT)


def test_a_pickled_model_whose_folder_is_gone_says_so_in_one_error(tmp_path, ready, photo):
    folder = shutil.copytree(ready, tmp_path / "model")
    content = pickle.dumps(create_model(model_dir=folder))
    shutil.rmtree(folder)
    with pytest.raises(ClsctlError):
        list(pickle.loads(content).predict(str(photo)))
