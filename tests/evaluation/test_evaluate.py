from __future__ import annotations

import json
import shutil

import evaluating
import numpy as np
import pytest
import yaml

import clsctl
from clsctl.datasets.samples import Sample
from clsctl.errors import ClsctlError, DataError, UsageError
from clsctl.evaluation.class_mapping import remap_labels
from clsctl.evaluation.evaluate import evaluate
from clsctl.evaluation.result import compare
from clsctl.exporting.export import export
from clsctl.inference.parity import compare_scores
from clsctl.networks import trained_weights


def test_weights_and_exported_model_agree_image_by_image(dataset, run):
    by_network = evaluate(dataset, weights=run)
    by_backend = clsctl.evaluate(dataset, model_dir=run / "best_model/inference", backend="paddle")
    assert by_network.scores == pytest.approx(by_backend.scores, abs=1e-5)
    assert by_network.top1 == by_backend.top1
    assert 0.6 < by_network.top1 < 0.9
    assert by_network.class_names == evaluating.CLASSES
    assert [sample.path for sample in by_network.samples][:2] == ["val/0-0.png", "val/0-1.png"]
    assert compare(by_network, by_backend).p_value == 1


def test_figures_follow_from_the_scores(dataset, run):
    found = evaluate(dataset, weights=run, batch_size=5)
    wrong = np.flatnonzero(found.scores.argmax(1) != found.labels)
    assert sorted(found.mistakes.tolist()) == wrong.tolist()
    confidences = found.confidences[found.mistakes]
    assert (np.diff(confidences) <= 0).all()
    assert found.matrix.trace() == len(found.samples) - len(wrong)
    assert found.as_dict()["mistakes"] == len(wrong)
    assert found.top5 == 1
    assert not found.top5_meaningful
    # A model of 72 % on 36 images cannot tell a wrong label from its own mistakes.
    assert len(found.suspects.indices) == 0
    assert found.suspects.withheld > 0


def test_another_split_has_other_images(dataset, run):
    found = evaluate(dataset, weights=run, split="train")
    assert len(found.samples) == 3 * evaluating.TRAIN
    with pytest.raises(DataError) as caught:
        compare(found, evaluate(dataset, weights=run))
    assert caught.value.code == "E_NOT_PAIRED"


def test_classes_are_matched_by_name(tmp_path, dataset, run):
    """A folder tree numbers its classes alphabetically, the model as its label.txt did."""
    for line in (dataset / "val.txt").read_text(encoding="utf-8").splitlines():
        path, label = line.split()
        folder = tmp_path / "val" / evaluating.CLASSES[int(label)]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / path.replace("/", "-")).write_bytes((dataset / path).read_bytes())
        (tmp_path / "train" / folder.name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "train" / folder.name / "1.png").write_bytes((dataset / path).read_bytes())
    assert evaluate(tmp_path, weights=run).top1 == evaluate(dataset, weights=run).top1


@pytest.mark.parametrize(
    ("class_names", "labels", "expected"),
    [
        ({0: "a", 1: "b"}, (), [0, 1]),
        ({0: "a", 1: "b"}, ("a", "b", "c"), [0, 1]),
        ({0: "b", 1: "c"}, ("a", "b", "c"), [1, 2]),
        ({0: "a", 1: "a"}, ("a", "a", "c"), [0, 1]),  # ImageNet has two cranes
    ],
)
def test_class_ids_that_the_model_uses(class_names, labels, expected):
    samples = [Sample("x", label, "val.txt", 1) for label in class_names]
    found = remap_labels(samples, class_names, labels, 3)
    assert [sample.label for sample in found] == expected


@pytest.mark.parametrize(
    ("class_names", "labels"),
    [({0: "dog"}, ("a", "b", "c")), ({0: "c", 1: "a"}, ("a", "a", "c")), ({3: "d"}, ())],
)
def test_classes_that_the_model_does_not_know_are_refused(class_names, labels):
    with pytest.raises(DataError) as caught:
        remap_labels([], class_names, labels, 3)
    assert caught.value.code == "E_CLASSES_DIFFER"


def test_an_unreadable_image_is_named_with_its_line(tmp_path, dataset, run):
    for path in dataset.rglob("*.*"):
        copy = tmp_path / path.relative_to(dataset)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (tmp_path / "val/1-0.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"val\.txt, line 13: val/1-0\.png"):
        evaluate(tmp_path, weights=run)


def test_the_same_forms_hold_and_a_small_change_does_not(run):
    model = trained_weights.load(run)
    network = model.build_network()

    def scores(images):
        import paddle

        return paddle.nn.functional.softmax(network(paddle.to_tensor(images))).numpy()

    photo = np.full((40, 40, 3), 90, np.uint8)
    assert compare_scores(scores, scores, model.transforms, [photo])[:3] == (1, 9, 0.0)
    assert not compare_scores(scores, lambda x: scores(x + 0.01), model.transforms).holds
    assert not compare_scores(scores, lambda x: scores(x) * np.nan, model.transforms).holds


@pytest.mark.parametrize("to", ["paddle", "paddle-legacy", "onnx"])
def test_export_in_every_format(tmp_path, dataset, run, to):
    if to == "onnx":
        pytest.importorskip("paddle2onnx", reason="it has no build for Python 3.13")
    done = export(run, tmp_path / "model", to=to)
    assert done.labels == evaluating.CLASSES
    # The run says which dataset it was trained on, so real images are among those compared.
    assert {parity.real for parity in done.parity.values()} == {16}
    assert all(parity.difference < 1e-3 for parity in done.parity.values())
    exported = evaluate(dataset, model_dir=tmp_path / "model", backend="paddle")
    assert exported.top1 == evaluate(dataset, weights=run).top1


def test_the_onnx_file_stands_alone(tmp_path, run):
    """Any batch, and what a stranger needs to know is in its metadata."""
    pytest.importorskip("paddle2onnx", reason="it has no build for Python 3.13")
    import onnxruntime

    export(run, tmp_path / "model", to="onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model/inference.onnx")
    for count in (1, 5):
        images = np.zeros((count, 3, 32, 32), np.float32)
        (scores,) = session.run(None, {session.get_inputs()[0].name: images})
        assert scores.sum(axis=1) == pytest.approx(np.ones(count), abs=1e-5)
    facts = session.get_modelmeta().custom_metadata_map
    assert "blue 蓝" in json.loads(facts["labels"])
    assert json.loads(facts["transform_ops"]) == evaluating.TRANSFORMS


def test_bare_weights_need_a_name_and_class_names(tmp_path, dataset, run):
    bare = tmp_path / "mine.pdparams"
    bare.write_bytes((run / "best_model/best_model.pdparams").read_bytes())
    with pytest.raises(UsageError) as caught:
        export(bare, tmp_path / "model")
    assert caught.value.code == "E_MODEL_NAME_MISSING"
    with pytest.raises(UsageError) as caught:
        export(bare, tmp_path / "model", evaluating.NAME)
    assert caught.value.code == "E_LABELS_MISSING"
    assert not (tmp_path / "model").exists()
    done = export(bare, tmp_path / "model", evaluating.NAME, dataset=dataset)
    assert done.labels == evaluating.CLASSES
    assert done.top1 is not None
    assert done.top1[0] == done.top1[1]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, "E_MODEL_CHOICE"),
        ({"weights": "w", "model_dir": "m"}, "E_MODEL_CHOICE"),
        ({"weights": "nowhere"}, "E_WEIGHTS_NOT_FOUND"),
        ({"model_dir": "nowhere"}, "E_MODEL_DIR_INVALID"),
        ({"model_dir": "nowhere", "split": "test"}, "E_SPLIT_MISSING"),
    ],
)
def test_what_cannot_be_evaluated(dataset, options, code):
    with pytest.raises(ClsctlError) as caught:
        evaluate(dataset, **options)
    assert caught.value.code == code


def test_weights_do_not_run_on_a_backend(dataset, run):
    with pytest.raises(UsageError, match="do not run on the backend 'onnxruntime'"):
        evaluate(dataset, weights=run, backend="onnxruntime")


def test_names_without_an_output_score_nothing(dataset, run, tmp_path):
    model = shutil.copytree(run / "best_model/inference", tmp_path / "model")
    settings = yaml.safe_load((model / "inference.yml").read_text("utf-8"))
    settings["PostProcess"]["Topk"]["label_list"] += ["one", "more"]
    (model / "inference.yml").write_text(yaml.safe_dump(settings, allow_unicode=True), "utf-8")
    found = evaluate(dataset, model_dir=model, backend="paddle")
    assert found.scores.shape[1] == 5
    assert (found.scores[:, 3:] == 0).all()
    assert found.top1 == evaluate(dataset, model_dir=run / "best_model/inference").top1


def test_weights_have_no_other_precision(dataset, run):
    with pytest.raises(UsageError, match="training weights do not run in int8"):
        evaluate(dataset, weights=run, precision="int8")
    assert (
        evaluate(dataset, weights=run, precision="fp32").top1 == evaluate(dataset, weights=run).top1
    )


def test_weights_of_another_network_than_named(dataset, run):
    with pytest.raises(UsageError) as caught:
        evaluate(dataset, "PP-LCNet_x1_0", weights=run)
    assert caught.value.code == "E_MODEL_NAME_MISMATCH"
