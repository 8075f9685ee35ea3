"""One option names a model, whatever it is: a name, a model directory, a run or a file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from clsctl.errors import ModelError
from clsctl.models.locate import ModelReference, resolve_model


@pytest.fixture
def run(tmp_path, ready):
    """A training run's folder with an exported model."""
    best = tmp_path / "run" / "best_model"
    shutil.copytree(ready, best / "inference")
    (best / "best_model.pdparams").touch()
    return best.parent


@pytest.mark.parametrize("text", ["PP-LCNet_x1_0", "pp-lcnet_X1_0"])
def test_the_case_of_a_name_does_not_matter(text):
    assert resolve_model(text) == ModelReference(name="PP-LCNet_x1_0")


def test_a_name_counts_before_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ResNet50").mkdir()
    assert resolve_model("ResNet50").name == "ResNet50"
    assert resolve_model("./ResNet50").exported == Path("./ResNet50")


def test_a_run_is_its_best_weights_and_the_model_exported_from_them(run):
    best = run / "best_model"
    both = ModelReference(exported=best / "inference", weights=best / "best_model.pdparams")
    assert resolve_model(str(run)) == resolve_model(str(best)) == both
    shutil.rmtree(best / "inference")
    assert resolve_model(str(run)) == ModelReference(weights=best / "best_model.pdparams")


@pytest.mark.parametrize("text", ["nowhere", "x" * 300, "data:image/png;base64,AAAA", "a\0b"])
def test_what_is_no_model_is_said_with_the_nearest_names(text):
    with pytest.raises(ModelError, match="unknown model") as caught:
        resolve_model(text)
    assert caught.value.code == "E_MODEL_UNKNOWN"


def test_an_unknown_model_of_a_plugin_is_said_with_the_package_that_brings_it(clsctl):
    without = {"CLSCTL_DISABLED_PLUGINS": "efficientnet-lite"}
    done = clsctl("predict", "x.png", "-m", "efficientnet-lite0", env=without)
    assert done.returncode == 4
    assert done.stderr.splitlines()[-1].startswith(
        "hint: the plugin clsctl-efficientnet-lite brings it: "
    )


def test_predict_takes_a_directory_a_graph_or_a_run(call, run, ready, tmp_path):
    image = tmp_path / "image.png"

    Image.new("RGB", (80, 60), (200, 30, 90)).save(image)
    wanted = call("predict", image, "--model-dir", ready)
    assert wanted.returncode == 0
    for model in (ready, ready / "inference.json", run):
        assert call("predict", image, "-m", model).stdout == wanted.stdout


def test_weights_without_an_exported_model_are_refused_with_the_command_that_exports(call, run):
    shutil.rmtree(run / "best_model" / "inference")
    done = call("predict", "x.png", "-m", run)
    assert done.returncode == 4
    assert "[E_MODEL_NOT_EXPORTED]" in done.stderr
    assert f"`clsctl export --weights {run}/best_model/best_model.pdparams -o exported`" in (
        done.stderr
    )
