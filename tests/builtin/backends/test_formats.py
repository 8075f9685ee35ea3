"""A model may also be an ONNX file or an OpenVINO IR, with its preprocessing beside it or in it."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import models
import pictures
import pytest

from clsctl.inference.paddle2onnx import onnx_bytes
from clsctl.models.directory import read_model_dir

pytest.importorskip("paddle2onnx", reason="it has no build for Python 3.13")
onnx = pytest.importorskip("onnx")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    content = pictures.encoded(pictures.photo(), "PNG")
    return pictures.write(tmp_path / "photos", {"photo.png": content})["photo.png"]


@pytest.fixture(scope="module")
def described(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX file that describes itself, as `clsctl export --to onnx` writes it."""
    spec = read_model_dir(tiny)
    graph = onnx.load_from_string(onnx_bytes(spec))
    facts = {"labels": json.dumps(spec.labels), "transform_ops": json.dumps(spec.transforms)}
    onnx.helper.set_model_props(graph, facts)
    path = tmp_path_factory.mktemp("onnx") / "flowers.onnx"
    onnx.save(graph, path)
    return path


@pytest.fixture
def folder(tiny: Path, described: Path, tmp_path: Path) -> Path:
    """An ONNX file that says nothing of itself, and an inference.yml."""
    graph = onnx.load(described)
    del graph.metadata_props[:]
    (tmp_path / "onnx").mkdir()
    onnx.save(graph, tmp_path / "onnx" / "inference.onnx")
    shutil.copy(tiny / "inference.yml", tmp_path / "onnx")
    return tmp_path / "onnx"


@pytest.fixture
def expected(ready: Path, photo: Path, call) -> str:
    return call("predict", photo, "--model-dir", ready, "--format", "csv").stdout


def assert_same(table: str, expected: str) -> None:
    """The same classes, and scores that differ by rounding only."""
    (ids, scores), (other_ids, other_scores) = map(columns, (table, expected))
    assert ids == other_ids != []
    assert scores == pytest.approx(other_scores, abs=2e-5)


def columns(table: str) -> tuple[list[str], list[float]]:
    rows = list(csv.DictReader(table.splitlines()))
    return [row["class_id"] for row in rows], [float(row["score"]) for row in rows]


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_an_onnx_file_runs_like_the_model_it_was_made_of(
    described, folder, expected, photo, call, backend
):
    if backend == "openvino":
        pytest.importorskip("openvino")
    for model in (described, folder):
        done = call("predict", photo, "--model-dir", model, "--format=csv", "--backend", backend)
        assert_same(done.stdout, expected)
    assert read_model_dir(described).name == "flowers"
    assert read_model_dir(folder).name == models.NAME


def test_an_openvino_ir_runs_like_the_model_it_was_made_of(folder, expected, photo, call):
    openvino = pytest.importorskip("openvino")
    graph = openvino.convert_model(folder / "inference.onnx")
    openvino.save_model(graph, folder / "inference.xml", compress_to_fp16=False)
    (folder / "inference.onnx").unlink()
    arguments = ["predict", photo, "--model-dir", folder, "--format", "csv", "--backend"]
    assert_same(call(*arguments, "auto").stdout, expected)
    refused = call(*arguments, "onnxruntime")
    assert refused.returncode == 6
    assert refused.stderr == (
        "error: backend 'onnxruntime' does not run a model of the format 'openvino' "
        "[E_MODEL_FORMAT]\nhint: backends that do: openvino\n"
    )
    (folder / "inference.bin").unlink()
    assert "it holds no inference.bin [E_MODEL_DIR_INVALID]" in call(*arguments, "auto").stderr


def test_a_file_without_a_description_says_how_to_give_one(folder, photo, call):
    (folder / "inference.yml").unlink()
    done = call("predict", photo, "--model-dir", folder / "inference.onnx")
    assert done.returncode == 4
    assert done.stderr == (
        f"error: nothing says how images become the input of '{folder / 'inference.onnx'}' "
        "[E_MODEL_DIR_INVALID]\nhint: put an inference.yml beside it, with its preprocessing and "
        "class names, or write it with `clsctl export --to onnx`, which puts them into the file\n"
    )


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_graph_for_one_image_at_a_time_runs(folder, expected, photo, call, backend):
    """What PyTorch writes where no axis is said to be dynamic."""
    if backend == "openvino":
        pytest.importorskip("openvino")
    model = onnx.load(folder / "inference.onnx")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, folder / "inference.onnx")
    done = call("predict", photo, "--model-dir", folder, "--format=csv", "--backend", backend)
    assert_same(done.stdout, expected)


def test_a_graph_without_a_softmax_is_no_classifier_yet(folder, photo, call):
    graph = onnx.load(folder / "inference.onnx")
    softmax = next(node for node in graph.graph.node if node.op_type == "Softmax")
    softmax.op_type = "Neg"
    del softmax.attribute[:]
    onnx.save(graph, folder / "inference.onnx")
    done = call("predict", photo, "--model-dir", folder)
    assert done.returncode == 4
    assert "are no probabilities [E_MODEL_UNUSABLE]\n" in done.stderr
    assert done.stderr.endswith("hint: export it with a softmax as its last layer\n")


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_form_that_does_not_answer_like_the_graph_is_not_used(folder, photo, call, backend):
    """Here the graph itself does not, as one that was exported in training mode."""
    if backend == "openvino":
        pytest.importorskip("openvino")
    model = onnx.load(folder / "inference.onnx")
    graph, scores = model.graph, model.graph.output[0].name
    for node in graph.node:
        node.output[:] = ["even" if name == scores else name for name in node.output]
    noise = onnx.helper.make_node("RandomUniformLike", ["even"], ["noise"], low=0.5, high=1.0)
    graph.node.extend([noise, onnx.helper.make_node("Mul", ["even", "noise"], [scores])])
    onnx.save(model, folder / "inference.onnx")
    done = call("predict", photo, "--model-dir", folder, "--backend", backend)
    assert (done.returncode, done.stdout) == (4, "")
    assert "compiled, it differs from the graph as it is written by" in done.stderr
    assert "[E_CONVERSION]" in done.stderr


@pytest.mark.parametrize("content", [b"", b"no onnx"])
def test_a_file_that_is_no_onnx_is_named(folder, photo, call, content):
    path = folder / "inference.onnx"
    path.write_bytes(content)
    done = call("predict", photo, "--model-dir", path)
    assert (done.returncode, done.stdout) == (4, "")
    assert "Traceback" not in done.stderr
    assert models.NAME in done.stderr
