"""Images in a folder for each class: whatever the class is called, and nothing is overwritten."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pictures
import pytest
import records
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clsctl.errors import UsageError
from clsctl.prediction.sort import sort_into
from clsctl.result import Result


@pytest.fixture
def album(tmp_path: Path) -> dict[str, Path]:
    return pictures.write(tmp_path / "album", {"1/x.jpg": b"first", "2/x.jpg": b"second"})


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def classified(path: Path) -> Result:
    return records.classified(str(path), None, (2, 0.5), file=path)


def test_a_file_is_linked_under_its_own_name_and_a_second_one_numbered(tmp_path, album):
    for path in (*album.values(), *album.values()):
        sort_into(classified(path), tmp_path / "sorted")
    assert names(tmp_path / "sorted") == ["猫/x-2.jpg", "猫/x.jpg"]
    assert (tmp_path / "sorted/猫/x.jpg").samefile(album["1/x.jpg"])
    assert (tmp_path / "sorted/猫/x-2.jpg").samefile(album["2/x.jpg"])


def test_a_name_is_no_file_even_where_there_is_one(tmp_path, album, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("array[0]").write_bytes(b"a file of that name")
    sort_into(records.classified("array[0]", None, (2, 0.5)), tmp_path / "sorted")
    assert names(tmp_path / "sorted") == ["猫/array[0].png"]


def test_where_links_cannot_be_it_is_copied(tmp_path, album, monkeypatch):
    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    for path in (*album.values(), *album.values()):
        sort_into(classified(path), tmp_path / "sorted")
    assert names(tmp_path / "sorted") == ["猫/x-2.jpg", "猫/x.jpg"]
    assert (tmp_path / "sorted/猫/x.jpg").stat().st_nlink == 1
    assert (tmp_path / "sorted/猫/x-2.jpg").read_bytes() == b"second"


def test_a_link_gives_the_file_that_it_leads_to(tmp_path, album):
    link = tmp_path / "link.jpg"
    link.symlink_to(album["1/x.jpg"])
    sort_into(classified(link), tmp_path / "sorted")
    assert not (tmp_path / "sorted/猫/link.jpg").is_symlink()
    assert (tmp_path / "sorted/猫/link.jpg").read_bytes() == b"first"


def test_a_page_and_a_url_become_png(tmp_path):
    for _ in range(2):
        sort_into(records.classified("doc.pdf", 1, (2, 0.5)), tmp_path)
        sort_into(records.classified("http://here/a%20b.jpg?c=1", None, (2, 0.5)), tmp_path)
    assert names(tmp_path) == ["猫/a b.png", "猫/doc_1.png"]
    with Image.open(tmp_path / "猫/doc_1.png") as image:
        assert np.array_equal(np.asarray(image), np.zeros((9, 9, 3), np.uint8))


def test_what_has_no_class_is_left_out(tmp_path):
    sort_into(records.broken("x.jpg"), tmp_path)
    sort_into(records.classified("x.jpg", None), tmp_path)
    assert list(tmp_path.iterdir()) == []


@given(label=st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_label_gives_a_folder_right_below(tmp_path_factory, label):
    folder = tmp_path_factory.mktemp("sorted")
    unnamed = records.classified("a.pdf", 0, (4, 0.5))
    result = Result("a.pdf", 0, unnamed.class_ids, unnamed.scores, [label], _load=unnamed.pixels)
    sort_into(result, folder)
    [path] = folder.rglob("*.png")
    assert path.parent.parent == folder
    assert path.parent.name == label or path.parent.name.endswith("4")


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("tabby, tabby cat", "tabby, tabby cat"),
        ("a/b", "a_b 4"),
        ("..", "4"),
        ("", "4"),
        (".hidden", "hidden 4"),
        ("two\nlines", "two_lines 4"),
    ],
)
def test_a_label_that_is_not_fit_to_be_a_folder_gets_its_id(tmp_path, label, expected):
    plain = records.classified("a.pdf", 0, (4, 0.5))
    result = Result("a.pdf", 0, plain.class_ids, plain.scores, [label], _load=plain.pixels)
    sort_into(result, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [expected]


def test_without_labels_it_is_the_id(tmp_path):
    sort_into(records.unlabelled(records.classified("none.jpg", None)), tmp_path)
    plain = records.classified("a.pdf", 0, (4, 0.5))
    sort_into(Result("a.pdf", 0, plain.class_ids, plain.scores, [], _load=plain.pixels), tmp_path)
    assert names(tmp_path) == ["class 4/a_0.png"]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path, album):
    (tmp_path / "sorted").write_text("a file")
    with pytest.raises(UsageError) as caught:
        sort_into(classified(album["1/x.jpg"]), tmp_path / "sorted")
    assert caught.value.code == "E_OUTPUT"
