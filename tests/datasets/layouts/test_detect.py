from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from dataset_builders import listed, lists, put
from hypothesis import given
from hypothesis import strategies as st

from clsctl.datasets.layouts.detect import read_dataset, read_valid_dataset
from clsctl.datasets.samples import Dataset, Sample
from clsctl.errors import DataError

CLASSES = ("cat", "dog")
SPLITS = {
    "train": [("images/a.jpg", 0), ("images/b.jpg", 1)],
    "val": [("images/c.jpg", 0), ("images/d.jpg", 1)],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return lists(tmp_path / "pets", CLASSES, **SPLITS)


def plain(dataset: Dataset) -> dict:
    return {
        split: [(sample.path, sample.label) for sample in samples]
        for split, samples in dataset.splits.items()
    }


def found(dataset: Dataset) -> list[tuple[str, str]]:
    """Codes and places of its problems."""
    return [(problem.code, problem.where) for problem in dataset.problems]


# ---- lists -------------------------------------------------------------------------------------


def test_lists(root):
    dataset = read_dataset(root)
    assert dataset.layout == "lists"
    assert dataset.root == root
    assert dataset.class_names == {0: "cat", 1: "dog"}
    assert dataset.num_classes == 2
    assert plain(dataset) == SPLITS
    assert dataset.splits["val"][1] == Sample("images/d.jpg", 1, "val.txt", 2)
    assert dataset.problems == ()


@pytest.mark.parametrize(
    "content",
    [
        b"a.jpg 0\nmy dog (2).jpg 1\n\xe7\x85\xa7\xe7\x89\x87/\xe7\x8c\xab 1.jpg 0\n",
        b"a.jpg 0\nmy dog (2).jpg 1\n\xe7\x85\xa7\xe7\x89\x87/\xe7\x8c\xab 1.jpg 0",
        b"\xef\xbb\xbfa.jpg\t0\r\nmy dog (2).jpg \t 1\r\n\r\n  "
        b"\xe7\x85\xa7\xe7\x89\x87/\xe7\x8c\xab 1.jpg\t0 \r\n\r\n",
        b"\n\na.jpg  0\rmy dog (2).jpg 1\r\xe7\x85\xa7\xe7\x89\x87/\xe7\x8c\xab 1.jpg 0\r",
    ],
    ids=["plain", "no last newline", "BOM, tabs, CRLF, blanks", "CR"],
)
def test_awkward_ways_to_write_the_same_list(root, content):
    (root / "train.txt").write_bytes(content)
    dataset = read_dataset(root)
    assert plain(dataset)["train"] == [("a.jpg", 0), ("my dog (2).jpg", 1), ("照片/猫 1.jpg", 0)]
    assert dataset.problems == ()


def test_awkward_ways_to_write_class_names(root):
    (root / "label.txt").write_bytes("\ufeff0\t大 白 猫\r\n\r\n1  hot dog ".encode())
    dataset = read_dataset(root)
    assert dataset.class_names == {0: "大 白 猫", 1: "hot dog"}
    assert dataset.problems == ()


blanks = st.text(" \t", min_size=1, max_size=3)
paths = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1
).filter(lambda path: path == path.strip(" \t") and path != "\ufeff")


@given(st.data(), st.lists(st.tuples(paths, st.integers(0, 1)), min_size=1, max_size=9))
def test_what_is_written_is_read(tmp_path_factory, data, lines):
    root = lists(tmp_path_factory.mktemp("d"), CLASSES, **{**SPLITS, "train": []})
    newline = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = newline.join(f"{path}{data.draw(blanks)}{label}" for path, label in lines)
    (root / "train.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    dataset = read_dataset(root)
    assert plain(dataset)["train"] == lines
    assert dataset.problems == ()


BAD_SAMPLES = {
    "images/a.jpg": "D_LINE_FORMAT",
    "images/a.jpg cat": "D_LABEL_INVALID",
    "images/a.jpg 1.0": "D_LABEL_INVALID",
    "my photo.jpg": "D_LABEL_INVALID",
    "images/a.jpg \uff11": "D_LABEL_INVALID",
    "images/a.jpg -1": "D_LABEL_NEGATIVE",
    "images/a.jpg 2": "D_LABEL_OUT_OF_RANGE",
}


@pytest.mark.parametrize(("line", "code"), BAD_SAMPLES.items())
def test_bad_line_of_a_list(root, line, code):
    (root / "train.txt").write_text(f"images/a.jpg 0\n\n{line}\nimages/b.jpg 1\n")
    dataset = read_dataset(root)
    assert found(dataset) == [(code, "train.txt:3")]
    assert dataset.problems[0].hint
    assert ("images/b.jpg", 1) in plain(dataset)["train"]


BAD_CLASSES = {
    "0 cat\none dog": [("D_CLASS_ID_INVALID", "label.txt:2")],
    "0 cat\n1": [("D_CLASS_LINE", "label.txt:2")],
    "-1 cat\n0 dog\n1 bird": [("D_CLASS_ID_NEGATIVE", "label.txt:1")],
    "0 cat\n1 dog\n1 bird": [("D_CLASS_ID_DUPLICATE", "label.txt:3")],
    "0 cat\n1 dog\n3 bird": [("D_CLASS_ID_GAP", "label.txt:3")],
    "1 dog": [("D_CLASS_ID_GAP", "label.txt:1")],
    "0 cat\n1 cat": [("D_CLASS_NAME_DUPLICATE", "label.txt:2")],
    "\n": [("D_LIST_EMPTY", "label.txt")],
}


@pytest.mark.parametrize(("content", "problems"), BAD_CLASSES.items())
def test_bad_label_file(root, content, problems):
    (root / "label.txt").write_text(content)
    others = ("D_LABEL_OUT_OF_RANGE",)  # the samples of a class that is gone
    assert [one for one in found(read_dataset(root)) if one[0] not in others] == problems


def test_every_problem_is_found_at_once(root):
    (root / "label.txt").write_text("0 cat\nx dog\n")
    (root / "val.txt").unlink()
    assert found(read_dataset(root)) == [
        ("D_CLASS_ID_INVALID", "label.txt:2"),
        ("D_LABEL_OUT_OF_RANGE", "train.txt:2"),
        ("D_LIST_MISSING", "val.txt"),
    ]


@pytest.mark.parametrize(
    ("name", "code"), [("label.txt", "D_LABEL_FILE_MISSING"), ("train.txt", "D_LIST_MISSING")]
)
def test_missing_file(root, name, code):
    (root / name).unlink()
    assert found(read_dataset(root)) == [(code, name)]


def test_list_without_samples(root):
    (root / "val.txt").write_text("\n \n")
    assert found(read_dataset(root)) == [("D_LIST_EMPTY", "val.txt")]


def test_text_in_another_encoding(root):
    (root / "label.txt").write_bytes("0 cat\n1 狗\n".encode("gb18030"))
    (root / "val.txt").write_bytes("images/c.jpg 0\n".encode("utf-16"))
    codes = found(read_dataset(root))
    assert ("D_ENCODING", "label.txt:2") in codes
    assert ("D_ENCODING", "val.txt:1") in codes


def test_folder_around_the_dataset(root):
    assert read_dataset(root.parent).root == root


# ---- folders -----------------------------------------------------------------------------------


def test_folders_with_splits(tmp_path):
    put(tmp_path, ["Train/dog/1.JPG", "Train/cat/deep/2.png", "valid/cat/3.webp", "test/dog/4.bmp"])
    put(tmp_path, ["Train/cat/notes.txt", "Train/.git/5.jpg", "Train/cat/.hidden.jpg"])
    dataset = read_dataset(tmp_path)
    assert dataset.layout == "folders"
    assert dataset.class_names == {0: "cat", 1: "dog"}
    assert plain(dataset) == {
        "train": [("Train/cat/deep/2.png", 0), ("Train/dog/1.JPG", 1)],
        "val": [("valid/cat/3.webp", 0)],
        "test": [("test/dog/4.bmp", 1)],
    }
    assert [problem.message for problem in dataset.problems] == [
        "skipped what is no image: 1 file (1 .txt)"
    ]
    assert dataset.splits["test"][0] == Sample("test/dog/4.bmp", 1, "test/dog/4.bmp", 0)


def test_folders_without_splits_are_all_training_data(tmp_path):
    put(tmp_path, ["猫/1.jpg", "a cat/2.jpg", "dog/3.jpg"])
    dataset = read_dataset(tmp_path)
    assert dataset.class_names == {0: "a cat", 1: "dog", 2: "猫"}
    assert [path for path, _ in plain(dataset)["train"]] == ["a cat/2.jpg", "dog/3.jpg", "猫/1.jpg"]
    (problem,) = dataset.problems
    assert (problem.code, problem.severity) == ("D_NOT_SPLIT", "warning")
    assert "clsctl dataset split" in problem.hint


def test_class_of_one_split_only(tmp_path):
    put(tmp_path, ["train/cat/1.jpg", "val/dog/2.jpg"])
    (tmp_path / "train" / "bird").mkdir()
    assert read_dataset(tmp_path).class_names == {0: "bird", 1: "cat", 2: "dog"}


def test_split_without_images(tmp_path):
    put(tmp_path, ["train/cat/1.jpg"])
    (tmp_path / "val").mkdir()
    assert found(read_dataset(tmp_path)) == [("D_LIST_EMPTY", "val")]


def test_folder_around_class_folders(tmp_path):
    put(tmp_path, ["download/images/cat/1.jpg", "download/images/dog/1.jpg"])
    dataset = read_dataset(tmp_path)
    assert dataset.root == tmp_path / "download" / "images"
    assert dataset.class_names == {0: "cat", 1: "dog"}


# ---- tables ------------------------------------------------------------------------------------


def table(path: Path, *rows: tuple, delimiter: str = ",", encoding: str = "utf-8") -> Path:
    with path.open("w", newline="", encoding=encoding) as stream:
        csv.writer(stream, delimiter=delimiter).writerows(rows)
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_table_of_names(tmp_path, delimiter):
    rows = [
        ("id", "File_Name", "Category", "subset"),
        ("7", "my photos/a, b.jpg", "hot dog", "train"),
        ("8", "照片/c.jpg", "猫", "VAL"),
        ("9", "d.jpg", "hot dog", "testing"),
    ]
    path = table(tmp_path / "all.csv", *rows, delimiter=delimiter, encoding="utf-8-sig")
    dataset = read_dataset(path)
    assert dataset.layout == "table"
    assert dataset.class_names == {0: "hot dog", 1: "猫"}
    assert plain(dataset) == {
        "train": [("my photos/a, b.jpg", 0)],
        "val": [("照片/c.jpg", 1)],
        "test": [("d.jpg", 0)],
    }
    assert dataset.splits["val"][0] == Sample("照片/c.jpg", 1, "all.csv", 3)
    assert dataset.problems == ()
    assert read_dataset(tmp_path) == dataset


def test_table_of_ids(tmp_path):
    table(tmp_path / "t.csv", ("path", "label", "split"), ("a", 0, "train"), ("b", 1, "val"))
    assert read_dataset(tmp_path).class_names == {0: "0", 1: "1"}
    (tmp_path / "label.txt").write_text("0 cat\n1 dog\n")
    assert read_dataset(tmp_path).class_names == {0: "cat", 1: "dog"}


def test_bad_rows(tmp_path):
    rows = [("path", "label", "split"), ("a.jpg", "0", "train"), ("b.jpg", "-2", "train")]
    rows += [("c.jpg",), ("", "0", "val"), (), ("d.jpg", "0", "holdout"), ("e.jpg", "2", "val")]
    table(tmp_path / "t.csv", *rows)
    dataset = read_dataset(tmp_path)
    assert sorted(found(dataset)) == [
        ("D_CLASS_ID_GAP", "t.csv:8"),
        ("D_LABEL_NEGATIVE", "t.csv:3"),
        ("D_LINE_FORMAT", "t.csv:4"),
        ("D_LINE_FORMAT", "t.csv:5"),
        ("D_SPLIT_UNKNOWN", "t.csv:7"),
    ]


def test_table_without_splits(tmp_path):
    table(tmp_path / "t.csv", ("path", "label"), ("a.jpg", "cat"))
    dataset = read_dataset(tmp_path)
    assert plain(dataset) == {"train": [("a.jpg", 0)]}
    assert found(dataset) == [("D_NOT_SPLIT", "t.csv")]


def test_a_table_for_each_split(tmp_path):
    table(tmp_path / "train.csv", ("path", "label"), ("a.jpg", "cat"))
    table(tmp_path / "val.csv", ("path", "label"), ("b.jpg", "cat"))
    assert plain(read_dataset(tmp_path)) == {"train": [("a.jpg", 0)], "val": [("b.jpg", 0)]}


def test_parquet(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"path": ["a.jpg", "b.jpg"], "label": ["cat", "dog"], "split": ["train", "val"]}
    parquet.write_table(arrow.table(columns), tmp_path / "t.parquet")
    dataset = read_dataset(tmp_path)
    assert plain(dataset) == {"train": [("a.jpg", 0)], "val": [("b.jpg", 1)]}
    assert dataset.splits["val"][0].line == 2


# ---- nothing to read ---------------------------------------------------------------------------


def fails(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        read_dataset(path)
    return caught.value


def test_no_dataset(tmp_path):
    assert fails(tmp_path / "nowhere").code == "E_DATASET_NOT_FOUND"
    error = fails(tmp_path)
    assert error.code == "E_DATASET_LAYOUT"
    assert "an empty folder" in error.message
    for layout in ("label.txt", "folder of images for each class", "CSV or Parquet"):
        assert layout in error.hint


def test_what_was_found_is_named(tmp_path):
    put(tmp_path, ["a.jpg", "b.jpg", "notes/c.txt"])
    assert fails(tmp_path).message.endswith("found a.jpg, b.jpg, notes/")
    assert fails(tmp_path / "a.jpg").code == "E_DATASET_LAYOUT"


def test_table_without_a_column(tmp_path):
    error = fails(table(tmp_path / "t.csv", ("path", "colour"), ("a.jpg", "red")))
    assert error.code == "E_DATASET_LAYOUT"
    assert "has no column for the label: its columns are path, colour" in error.message


def test_several_tables(tmp_path):
    for name in ("one.csv", "two.csv"):
        table(tmp_path / name, ("path", "label"), ("a.jpg", "cat"))
    assert "one.csv, two.csv" in fails(tmp_path).message


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_table_that_is_none(tmp_path, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(b"path,label\n\xff\xfe\0")
    assert fails(tmp_path / name).code == "E_DATASET_UNREADABLE"


def test_path_that_the_system_refuses(tmp_path):
    assert fails(tmp_path / ("x" * 300)).code in ("E_DATASET_NOT_FOUND", "E_DATASET_UNREADABLE")


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is forbidden to root")
def test_list_without_permission(root):
    (root / "train.txt").chmod(0)
    assert fails(root).code == "E_DATASET_UNREADABLE"


def test_work_that_relies_on_the_lists_names_the_first_error(root):
    assert read_valid_dataset(root) == read_dataset(root)
    (root / "train.txt").write_text("images/a.jpg 0\nimages/b.jpg two\nimages/b.jpg 7\n")
    with pytest.raises(DataError, match=r"train.txt:2: 'two' .* \(and 1 more\)") as caught:
        read_valid_dataset(root)
    assert caught.value.code == "E_DATASET_INVALID"


def test_a_large_dataset_stays_small(tmp_path):
    lists(tmp_path, CLASSES, images=False, train=listed(1000, 0), val=listed(1000, 1))
    sample = read_dataset(tmp_path).splits["train"][0]
    assert not hasattr(sample, "__dict__")
