from __future__ import annotations

import os

import pytest
from dataset_builders import contents, image_bytes, listed, lists, put, read

from clsctl.datasets.convert import export_dataset, import_dataset
from clsctl.datasets.layouts.detect import read_valid_dataset
from clsctl.errors import DataError

TREE = ["train/cat/1.jpg", "train/cat/deep/1.jpg", "train/黄狗/1.jpg", "val/cat/1.jpg"]


def codes(done):
    return [warning.code for warning in done.warnings]


def refused(convert, *arguments):
    with pytest.raises(DataError) as caught:
        convert(*arguments)
    return caught.value.code, caught.value.message


def test_class_folders_become_lists(tmp_path):
    source = put(tmp_path / "tree", TREE)
    done = import_dataset(source, tmp_path / "made")
    assert contents(tmp_path / "made") == {
        "label.txt": "0 cat\n1 黄狗\n".encode(),
        "train.txt": (
            "images/train/cat/1.jpg 0\nimages/train/cat/deep/1.jpg 0\nimages/train/黄狗/1.jpg 1\n"
        ).encode(),
        "val.txt": b"images/val/cat/1.jpg 0\n",
        **{f"images/{name}": image_bytes(name) for name in TREE},
    }
    assert (done.samples, codes(done)) == ({"train": 3, "val": 1}, [])
    assert contents(source) == {name: image_bytes(name) for name in TREE}


def test_what_is_not_split_yet_says_so(tmp_path):
    source = put(tmp_path / "tree", ["cat/1.jpg", "dog/my dog.jpg"])
    done = import_dataset(source, tmp_path / "made")
    assert codes(done) == ["E_PADDLEX_BLANK", "E_NOT_SPLIT"]
    assert read(tmp_path / "made", "train.txt") == [
        ("images/cat/1.jpg", 0),
        ("images/dog/my dog.jpg", 1),
    ]
    assert not (tmp_path / "made" / "val.txt").exists()


def test_a_table_becomes_lists(tmp_path):
    names = ["a/1.jpg", "a/2.jpg", "b/3.jpg"]
    source = put(tmp_path / "photos", names)
    rows = "a/1.jpg,dog,train\na/2.jpg,cat,val\nb/3.jpg,cat,test\n"
    (source / "all.csv").write_text(f"path,label,split\n{rows}")
    import_dataset(source / "all.csv", tmp_path / "made")
    made = read_valid_dataset(tmp_path / "made")
    assert made.problems == ()
    assert made.class_names == {0: "cat", 1: "dog"}
    assert [(split, item.path, item.label) for split, item in made.samples()] == [
        ("train", "images/a/1.jpg", 1),
        ("val", "images/a/2.jpg", 0),
        ("test", "images/b/3.jpg", 0),
    ]


def test_lists_keep_their_images_folder(tmp_path):
    source = lists(tmp_path / "data", ("a", "b"), train=listed(3, 0), val=listed(2, 1))
    import_dataset(source, tmp_path / "made")
    assert contents(tmp_path / "made") == contents(source)


def test_paths_that_lead_out_of_the_dataset_are_brought_in(tmp_path):
    put(tmp_path, ["other/1.jpg"])
    away = put(tmp_path / "away", ["2.jpg"]) / "2.jpg"
    source = lists(tmp_path / "data", ("a",), images=False, train=[("../other/1.jpg", 0)])
    (source / "val.txt").write_text(f"{away} 0\n")
    import_dataset(source, tmp_path / "made")
    made = read_valid_dataset(tmp_path / "made")
    paths = [made.image_path(item) for _, item in made.samples()]
    names = ["other/1.jpg", "2.jpg"]
    assert [path.read_bytes() for path in paths] == [image_bytes(name) for name in names]
    assert all(path.resolve().is_relative_to(tmp_path / "made" / "images") for path in paths)


def test_two_images_of_one_name_are_not_mixed_up(tmp_path):
    put(tmp_path, ["a.jpg", "data/a.jpg"])
    source = lists(tmp_path / "data", ("a",), train=[("a.jpg", 0), ("../a.jpg", 0)])
    assert refused(import_dataset, source, tmp_path / "made") == (
        "E_SAME_NAME",
        "a.jpg and ../a.jpg would both be called images/a.jpg",
    )


@pytest.mark.parametrize("convert", [import_dataset, export_dataset])
def test_links_take_no_space(tmp_path, convert):
    source = put(tmp_path / "tree", TREE)
    convert(source, tmp_path / "made", "link")
    made = read_valid_dataset(tmp_path / "made")
    files = {made.image_path(item).stat().st_ino for _, item in made.samples()}
    assert files == {(source / name).stat().st_ino for name in TREE}


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="needs a second file system")  # noqa: PTH112
def test_hard_links_need_one_disk(tmp_path):
    import tempfile

    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        source = put(tmp_path / "tree", TREE)
        code, message = refused(import_dataset, source, f"{other}/made", "link")
        assert code == "E_LINK"
        assert message.endswith("train/cat/1.jpg: Invalid cross-device link")
        assert os.listdir(other) == []  # noqa: PTH208


def test_only_listed_images_stay_where_they_are(tmp_path):
    source = put(tmp_path / "tree", TREE)
    import_dataset(source, tmp_path / "made", "list")
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [
        "images",
        "label.txt",
        "train.txt",
        "val.txt",
    ]
    made = read_valid_dataset(tmp_path / "made")
    paths = [made.image_path(item) for _, item in made.samples()]
    assert [path.resolve() for path in paths] == [source / name for name in TREE]
    # PaddleX looks for the one folder of that name.
    assert list((tmp_path / "made").glob("**/images")) == [tmp_path / "made" / "images"]


def test_lists_become_class_folders(tmp_path):
    source = lists(tmp_path / "data", ("cat", "dog"), train=listed(2, 0), val=listed(1, 1))
    done = export_dataset(source, tmp_path / "made")
    assert contents(tmp_path / "made") == {
        "train/cat/0-000.jpg": image_bytes("images/0-000.jpg"),
        "train/cat/0-001.jpg": image_bytes("images/0-001.jpg"),
        "val/dog/1-000.jpg": image_bytes("images/1-000.jpg"),
    }
    assert codes(done) == []
    made = read_valid_dataset(tmp_path / "made")
    assert made.class_names == {0: "cat", 1: "dog"}


def test_without_splits_there_are_only_class_folders(tmp_path):
    source = lists(tmp_path / "data", ("cat", "dog"), train=[*listed(1, 0), *listed(1, 1)])
    export_dataset(source, tmp_path / "made")
    assert sorted(contents(tmp_path / "made")) == ["cat/0-000.jpg", "dog/1-000.jpg"]


def test_files_of_one_name_get_numbers(tmp_path):
    train = [("images/b/1.jpg", 0), ("images/a/1.jpg", 0), ("images/1-2.jpg", 0)]
    source = lists(tmp_path / "data", ("cat", "dog"), train=[*train, train[0]], val=train[:1])
    export_dataset(source, tmp_path / "made")
    assert contents(tmp_path / "made") == {
        "train/cat/1-2.jpg": image_bytes("images/1-2.jpg"),
        "train/cat/1.jpg": image_bytes("images/a/1.jpg"),
        "train/cat/1-3.jpg": image_bytes("images/b/1.jpg"),
        "val/cat/1.jpg": image_bytes("images/b/1.jpg"),
    }


def test_there_and_back_again(tmp_path):
    source = lists(tmp_path / "data", ("cat", "dog"), train=listed(5, 0), val=listed(4, 1))
    export_dataset(source, tmp_path / "tree")
    import_dataset(tmp_path / "tree", tmp_path / "back")
    before, after = read_valid_dataset(source), read_valid_dataset(tmp_path / "back")
    assert after.class_names == before.class_names
    files = [
        [(split, item.label, data.image_path(item).read_bytes()) for split, item in data.samples()]
        for data in (before, after)
    ]
    assert files[0] == files[1]


def test_ids_that_change_are_reported(tmp_path):
    source = lists(tmp_path / "data", ("dog", "ape", "cat"), train=listed(1, 0), val=listed(1, 1))
    (warning,) = export_dataset(source, tmp_path / "made").warnings
    assert warning.code == "E_CLASS_ORDER"
    assert warning.message == (
        "folders are numbered in alphabetical order, so that ids change: 'ape' becomes 0"
    )


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden"])
def test_a_class_name_that_no_folder_can_have(tmp_path, name):
    source = lists(tmp_path / "data", ("cat", name), train=listed(1, 0), val=listed(1, 1))
    assert refused(export_dataset, source, tmp_path / "made") == (
        "E_CLASS_NAME",
        f"class 1 is called '{name}', which cannot be the name of its folder",
    )
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["images/.a.jpg", "images/a"])
def test_an_image_name_that_no_tree_can_have(tmp_path, name):
    source = lists(tmp_path / "data", ("cat",), train=[(name, 0)], val=listed(1, 0))
    code, message = refused(export_dataset, source, tmp_path / "made")
    assert (code, message.partition(":")[0]) == (
        "E_IMAGE_NAME",
        f"a folder tree would lose 1 of 2 images, such as {name}",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("convert", [import_dataset, export_dataset])
def test_a_missing_image_leaves_nothing_half_done(tmp_path, convert):
    source = lists(tmp_path / "data", ("a", "b"), train=listed(3, 0), val=listed(2, 1))
    (source / "images" / "1-001.jpg").unlink()
    assert refused(convert, source, tmp_path / "made") == (
        "E_IMAGE_MISSING",
        "val.txt:2: images/1-001.jpg cannot be read: No such file or directory",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("convert", [import_dataset, export_dataset])
@pytest.mark.parametrize("mode", ["copy", "link"])
def test_nothing_is_overwritten(tmp_path, convert, mode):
    source = put(tmp_path / "tree", TREE)
    (tmp_path / "made").mkdir()
    assert refused(convert, source, tmp_path / "made", mode) == (
        "E_EXISTS",
        f"{tmp_path / 'made'} is there already, and is never overwritten",
    )
    assert list((tmp_path / "made").iterdir()) == []


@pytest.mark.parametrize("convert", [import_dataset, export_dataset])
def test_lists_with_errors_are_not_converted(tmp_path, convert):
    source = lists(tmp_path / "data", ("a",), train=[("a.jpg", 7)], val=listed(1, 0))
    code, _ = refused(convert, source, tmp_path / "made")
    assert code == "E_DATASET_INVALID"
