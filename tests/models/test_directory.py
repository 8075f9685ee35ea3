"""Model directories: ours, PaddleX's, and broken ones."""

from __future__ import annotations

import re
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


def invalid(folder: Path) -> str:
    """Why the settings of a model directory cannot be followed."""
    with pytest.raises(ModelError) as caught:
        read_model_dir(folder)
    assert caught.value.code == "E_MODEL_DIR_INVALID"
    assert caught.value.message.isprintable()
    return caught.value.message.split("its inference.yml cannot be followed: ")[1]


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"[1, 2]", b"a: [", b"\xff\xfe\x00", b"a: !!python/name:os.system", b"3", b"\x00"),
        *(b"a: !!int ''", b"a: !!timestamp x", b"a: " + b"9" * 5000, b"? [a]\n: b", b"1: 2"),
        b"[" * 1_000_000,
    ],
)
def test_settings_that_are_no_settings(folder, content):
    (folder / "inference.yml").write_bytes(content)
    assert invalid(folder)


@pytest.mark.parametrize(
    ("sections", "reason"),
    [
        ({"Global": [1]}, "Global: expected a table, not [1]"),
        ({"Global": {"model_name": ["a"]}}, "Global: model_name: expected text of length"),
        ({"PreProcess": {}}, "PreProcess: the key 'transform_ops' is missing"),
        ({"PreProcess": None}, "PreProcess: expected a table, not None"),
        ({"PreProcess": {"transform_ops": "Resize"}}, "PreProcess: transform_ops: expected a list"),
        ({"PreProcess": {"transform_ops": []}}, "PreProcess: transform_ops: expected a list"),
        (
            {"PreProcess": {"transform_ops": [{"a": 1, "b": 2}]}},
            "PreProcess: transform_ops: number 1: expected a table of length from 1 to 1",
        ),
        ({"PostProcess": {"Topk": [5]}}, "PostProcess: Topk: expected a table, not [5]"),
        *(
            (
                {"PostProcess": {"Topk": {"topk": topk}}},
                f"PostProcess: Topk: topk: expected a whole number above 0, not {topk!r}",
            )
            for topk in ("many", 0, -1, 1.5, True, None, 10**15, float("nan"))
        ),
        ({"PostProcess": {"Topk": {"label_list": "a"}}}, "Topk: label_list: expected a list"),
        ({"PostProcess": {"Topk": {"label_list": [["a"]]}}}, "label_list: number 1: expected text"),
    ],
)
def test_settings_that_make_no_sense(folder, sections, reason):
    change(folder, **sections)
    assert reason in invalid(folder)


def test_a_name_of_a_billion_laughs_is_refused(folder):
    """Each line is ten times the one before it."""
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    settings = "PreProcess: {transform_ops: [{ToCHWImage: null}]}\n"
    for name in ("*a3", "*a8"):
        text = "\n".join([*lines[: int(name[2]) + 1], f"Global: {{model_name: {name}}}", settings])
        (folder / "inference.yml").write_text(text)
        assert len(invalid(folder)) < 500


def test_names_are_what_is_written(folder):
    text = (folder / "inference.yml").read_text("utf-8")
    text = re.sub(r"model_name: .*", "model_name: 2001-99-99", text)
    text = re.sub(r"(?s)label_list:.*", "label_list: [0010, 1e3, on, ~, 2001-01-01]\n", text)
    (folder / "inference.yml").write_text(text)
    spec = read_model_dir(folder)
    assert spec.name == "2001-99-99"
    assert spec.labels == ("0010", "1e3", "on", "~", "2001-01-01")


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(labels=st.lists(names), topk=st.integers(1, 1000))
def test_settings_are_read_as_they_were_written(folder, labels, topk):
    transforms = [{"ResizeImage": {"resize_short": 256}}, {"ToCHWImage": None}]
    write_settings(folder, "名前", transforms, labels, topk)
    spec = read_model_dir(folder)
    assert (spec.name, spec.labels, spec.topk) == ("名前", tuple(labels), topk)
    assert list(spec.transforms) == transforms
