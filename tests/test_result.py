"""What a Result says, prints and saves; how classes are ranked; how files are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pictures
import pytest
import records
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from clsctl.errors import DataError, UsageError
from clsctl.images.read import InputImage
from clsctl.result import OutputNames, Result, apply_threshold, error_of, result_of, top_k

PIXELS = pictures.photo()


def result(source: str = "猫.jpg", page: int | None = None, **changes: Any) -> Result:
    facts = {
        "class_ids": np.array([2, 0], np.int32),
        "scores": np.array([0.75, 0.1], np.float32),
        "labels": ("ant", "bee", "猫, cat"),
        "load": lambda: PIXELS,
        "saved": OutputNames(),
    }
    return result_of(InputImage(source, page), **(facts | changes))


def error_record() -> Result:
    return error_of(InputImage("x.jpg", error=DataError("x.jpg: it is cut short", code="E_CUT")))


# ---- reading -----------------------------------------------------------------------------------


def test_the_fields_have_the_documented_types():
    found = result(page=3)
    assert (found.input_path, found.page_index) == ("猫.jpg", 3)
    assert (found.class_ids.dtype, found.scores.dtype) == (np.int32, np.float32)
    assert found.label_names == ["猫, cat", "ant"]
    assert found.error is None


def test_fields_are_also_keys():
    found = result()
    assert found["scores"] is found.scores
    assert found["input_path"] == "猫.jpg"
    with pytest.raises(KeyError, match="label_names; not 'label'"):
        found["label"]


def test_a_score_prints_as_it_was_rounded():
    found = result(scores=np.array([0.40845, 0.1], np.float32))
    assert (
        repr(found)
        == str(found)
        == (
            "Result(input_path='猫.jpg', page_index=None, class_ids=[2, 0], scores=[0.40845, 0.1], "
            "label_names=['猫, cat', 'ant'])"
        )
    )


def test_json_is_what_json_can_hold():
    expected = {"input_path": "猫.jpg", "page_index": None, "class_ids": [2, 0]}
    expected |= {"scores": [0.75, 0.1], "label_names": ["猫, cat", "ant"]}
    assert result().json == {"res": expected}
    assert json.loads(json.dumps(result().json)) == {"res": expected}


def test_an_error_record_holds_code_and_message():
    error = {"code": "E_CUT", "message": "x.jpg: it is cut short"}
    record = error_record()
    assert record.json == {"res": {"input_path": "x.jpg", "page_index": None, "error": error}}
    assert (len(record.class_ids), len(record.scores), record.label_names) == (0, 0, [])
    with pytest.raises(DataError, match="cut short"):
        record.img  # noqa: B018 - a property that reads the image


# ---- printing ----------------------------------------------------------------------------------


def test_print_is_indented_json(capsys):
    result().print()
    printed = capsys.readouterr().out
    assert printed == json.dumps(result().json, indent=4, ensure_ascii=False) + "\n"
    assert "猫, cat" in printed


def test_print_takes_indent_and_ascii(capsys):
    result().print(format_json=True, indent=1, ensure_ascii=True)
    printed = capsys.readouterr().out
    assert printed.startswith('{\n "res": {\n  "input_path": "\\u732b.jpg",\n')


@pytest.mark.parametrize("options", [{"format_json": False}, {"json_format": False}])
def test_print_without_json_is_a_dict_as_paddlex_prints_it(capsys, options):
    result().print(**options)
    assert capsys.readouterr().out == (
        "{'res': {'input_path': '猫.jpg', 'page_index': None, "
        "'class_ids': array([2, 0], dtype=int32), 'scores': array([0.75, 0.1 ], dtype=float32), "
        "'label_names': ['猫, cat', 'ant']}}\n"
    )


# ---- saving ------------------------------------------------------------------------------------


def test_a_result_is_saved_to_a_json_file(tmp_path):
    result().save_to_json(tmp_path / "deep" / "res.json", indent=2, ensure_ascii=True)
    text = (tmp_path / "deep" / "res.json").read_text("ascii")
    assert text.startswith('{\n  "input_path": "\\u732b.jpg",\n')
    assert json.loads(text) == result().as_dict()


@pytest.mark.parametrize(
    ("source", "page", "name"),
    [
        ("a/b/猫 1.jpg", None, "猫 1_res.json"),
        ("a/doc.pdf", 4, "doc_4_res.json"),
        ("http://host/a/b.jpg?size=1#x", None, "b_res.json"),
        ("http://host/%E7%8C%AB%201.png", None, "猫 1_res.json"),
        ("http://host/..%2F..%2Fetc%2Fpasswd", None, "passwd_res.json"),
        ("http://host/", None, "image_res.json"),
        ("http://host/a%00b.jpg", None, "a_b_res.json"),
        (f"http://host/{'x' * 300}.jpg", None, f"{'x' * 200}_res.json"),
        (f"http://host/{'猫' * 100}.jpg", None, f"{'猫' * 66}_res.json"),
        ("array[3]", None, "array[3]_res.json"),
        ("-", None, "-_res.json"),
        (".hidden", None, ".hidden_res.json"),
    ],
)
def test_in_a_folder_the_file_is_named_after_the_input(tmp_path, source, page, name):
    result(source, page).save_to_json(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("source", "name", "kind"),
    [
        ("a.jpg", "a_res.jpg", "JPEG"),
        ("a.JPEG", "a_res.JPEG", "JPEG"),
        ("a.bmp", "a_res.bmp", "BMP"),
        ("a.webp", "a_res.webp", "WEBP"),
        ("a.tif", "a_res.png", "PNG"),
        ("http://host/a.jpg?x=.gif", "a_res.jpg", "JPEG"),
        ("array[0]", "array[0]_res.png", "PNG"),
    ],
)
def test_a_saved_image_is_of_the_kind_that_its_name_says(tmp_path, source, name, kind):
    result(source).save_to_img(tmp_path)
    [path] = tmp_path.iterdir()
    with Image.open(path) as image:
        image.load()
        assert (path.name, image.format) == (name, kind)
        assert image.size == (pictures.WIDTH, pictures.HEIGHT)


def test_an_image_is_saved_under_the_name_it_is_given(tmp_path):
    result("a.jpg").save_to_img(tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        assert image.format == "PNG"


def test_img_is_the_picture_with_a_caption():
    [(key, image)] = result().img.items()
    drawn = np.asarray(image)
    assert (key, drawn.shape) == ("res", PIXELS.shape)
    changed = (drawn != PIXELS).any(axis=2)
    assert changed[0, 0]
    assert not changed[pictures.HEIGHT // 2 :].any()


def test_what_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"cannot write .*: Not a directory") as caught:
        result().save_to_json(tmp_path / "file")
    assert caught.value.code == "E_OUTPUT"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


inputs = st.tuples(st.sampled_from(["a.jpg", "b/a.jpg", "a-2.jpg", "a", "c.png"]), st.none())
inputs |= st.tuples(st.sampled_from(["a.pdf", "a_1.pdf", "b/a.pdf"]), st.integers(0, 2))


@given(st.lists(inputs))
def test_two_inputs_never_get_one_name_and_one_input_always_its_own(owners):
    names = OutputNames()
    claimed = {}
    for source, page in owners:
        stem = Path(source).stem if page is None else f"{Path(source).stem}_{page}"
        path = names.claim(Path("out"), stem, ".json", (source, page))
        assert claimed.setdefault((source, page), path) == path
    assert len(set(claimed.values())) == len(claimed)


# ---- ranking -----------------------------------------------------------------------------------

scores = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 12)),
    elements=st.floats(0, 1, width=32) | st.sampled_from([0.0, 0.5, 1.0]),
)


@given(scores, st.integers(1, 15))
def test_top_k_are_the_k_best_in_order(row, k):
    ids, best = top_k(row, k)
    width = min(k, len(row))
    assert (ids.dtype, best.dtype, ids.shape) == (np.int32, np.float32, (width,))
    np.testing.assert_array_equal(best, np.around(-np.sort(-row)[:width], 5))
    np.testing.assert_array_equal(np.around(row[ids], 5), best)
    assert len(set(ids.tolist())) == width


@given(scores)
def test_ties_are_ordered_as_paddlex_orders_them(row):
    np.testing.assert_array_equal(top_k(row, 5)[0], row.argsort(axis=0)[-5:][::-1])


@given(st.lists(st.floats(0, 1, width=32), max_size=6), st.floats(0, 1))
def test_a_threshold_keeps_what_is_not_below_it(values, threshold):
    ordered = np.array(sorted(values, reverse=True), np.float32)
    ids = np.arange(len(ordered), dtype=np.int32)
    kept = apply_threshold(result(class_ids=ids, scores=ordered, labels="abcdef"), threshold)
    expected = [score for score in ordered if score >= np.float32(threshold)]
    assert kept.scores.tolist() == expected
    assert kept.class_ids.tolist() == list(range(len(expected)))
    assert kept.label_names == list("abcdef")[: len(expected)]


def test_a_threshold_leaves_an_error_record_alone():
    assert apply_threshold(error_record(), 0.5).json == error_record().json


def test_a_result_works_as_a_dict():
    result = records.classified("a.jpg", None, (3, 0.5), (2, 0.25))
    fields = dict(result)
    assert list(fields) == list(result.keys())
    assert fields["input_path"] == "a.jpg"
    assert fields["class_ids"].tolist() == result["class_ids"].tolist() == [3, 2]
    assert list(dict(records.broken("b.jpg"))) == list(records.broken("b.jpg").keys())
