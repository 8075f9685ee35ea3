"""Model directories: ours, PaddleX's, and broken ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import models
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clsctl.errors import ModelError
from clsctl.models.directory import read_model_dir, write_settings


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(tiny, tmp_path / "model"))


def change(folder: Path, **sections: object) -> None:
    path = folder / "inference.yml"
    content = yaml.safe_load(path.read_text("utf-8"))
    path.write_text(yaml.safe_dump(content | sections, allow_unicode=True), encoding="utf-8")


def test_what_is_exported_is_read(tiny):
    spec = read_model_dir(tiny)
    assert (spec.name, spec.topk, spec.labels) == (models.NAME, 5, models.LABELS)
    assert (spec.graph, spec.params) == (tiny / "inference.json", tiny / "inference.pdiparams")
    operations = [next(iter(transform)) for transform in spec.transforms]
    assert operations == ["ResizeImage", "CropImage", "NormalizeImage", "ToCHWImage"]


def test_the_new_graph_comes_before_the_legacy_one(folder):
    (folder / "inference.pdmodel").touch()
    assert read_model_dir(folder).graph.name == "inference.json"
    (folder / "inference.json").unlink()
    assert read_model_dir(folder).graph.name == "inference.pdmodel"


def test_paddlex_leaves_out_what_it_does_not_need(folder):
    """Its label_list is optional, and it writes more sections than are read here."""
    change(folder, PostProcess={"Topk": {"topk": 3}}, Hpi={"backend_configs": {}}, Global=None)
    spec = read_model_dir(folder)
    assert (spec.name, spec.labels, spec.topk) == ("model", (), 3)


def test_labels_that_are_numbers_are_text(folder):
    change(folder, PostProcess={"Topk": {"topk": 1, "label_list": [3, 5.5, "x"]}})
    assert read_model_dir(folder).labels == ("3", "5.5", "x")


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("inference.json", "it holds none of inference.json, inference.pdmodel"),
        ("inference.pdiparams", "it holds no inference.pdiparams"),
        ("inference.yml", "it holds no inference.yml"),
    ],
)
def test_a_missing_file_is_named(folder, missing, reason):
    (folder / missing).unlink()
    with pytest.raises(ModelError, match=reason) as caught:
        read_model_dir(folder)
    assert caught.value.code == "E_MODEL_DIR_INVALID"
    assert str(folder) in caught.value.message


@pytest.mark.parametrize(
    "content", [b"", b"[1, 2]", b"a: [", b"\xff\xfe\x00", b"a: !!python/name:os.system"]
)
def test_settings_that_are_no_settings(folder, content):
    (folder / "inference.yml").write_bytes(content)
    with pytest.raises(ModelError, match=r"its inference.yml (cannot be read|is not a mapping)"):
        read_model_dir(folder)


@pytest.mark.parametrize(
    ("sections", "reason"),
    [
        ({"Global": [1]}, "'Global' in its inference.yml is not a mapping"),
        ({"PreProcess": {}}, "no PreProcess.transform_ops"),
        ({"PreProcess": {"transform_ops": "Resize"}}, "no PreProcess.transform_ops"),
        ({"PreProcess": {"transform_ops": [{"a": 1, "b": 2}]}}, "not a single-key mapping"),
        ({"PostProcess": {"Topk": [5]}}, "'Topk' in its inference.yml is not a mapping"),
        ({"PostProcess": {"Topk": {"topk": "many"}}}, "Topk.topk .* not a whole number above 0"),
        ({"PostProcess": {"Topk": {"topk": 0}}}, "Topk.topk .* not a whole number above 0"),
        ({"PostProcess": {"Topk": {"label_list": "a"}}}, "Topk.label_list .* is not a list"),
    ],
)
def test_settings_that_make_no_sense(folder, sections, reason):
    change(folder, **sections)
    with pytest.raises(ModelError, match=reason):
        read_model_dir(folder)


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(labels=st.lists(names), topk=st.integers(1, 1000))
def test_settings_are_read_as_they_were_written(folder, labels, topk):
    transforms = [{"ResizeImage": {"resize_short": 256}}, {"ToCHWImage": None}]
    write_settings(folder, "名前", transforms, labels, topk)
    spec = read_model_dir(folder)
    assert (spec.name, spec.labels, spec.topk) == ("名前", tuple(labels), topk)
    assert list(spec.transforms) == transforms
