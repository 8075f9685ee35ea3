from __future__ import annotations

import json

from dataset_builders import contents, lists, put

TREE = ["train/cat/1.jpg", "train/dog/1.jpg", "val/cat/2 b.jpg"]


def test_import(clsctl, tmp_path):
    put(tmp_path / "tree", TREE)
    done = clsctl("dataset", "import", "tree", "made")
    assert done.stdout == "train: 2 samples\nval: 1 sample\n2 classes, written to made\n"
    assert done.stderr == (
        "warning: 1 path holds blanks, such as 'images/val/cat/2 b.jpg', which PaddleX cannot read "
        "[E_PADDLEX_BLANK]\n"
        "hint: clsctl can; rename the images if you need PaddleX\n"
    )
    assert contents(tmp_path / "made").keys() >= {f"images/{path}" for path in TREE}


def test_json(clsctl, tmp_path):
    put(tmp_path / "tree", ["cat/1.jpg", "dog/1.jpg"])
    done = clsctl("dataset", "import", "tree", "made", "--mode", "list", "--format", "json")
    assert json.loads(done.stdout) == {
        "root": "made",
        "classes": 2,
        "samples": {"train": 2},
        "warnings": [
            {
                "code": "E_NOT_SPLIT",
                "message": "there are no validation samples yet",
                "hint": "`clsctl dataset split made` sets a part aside",
            }
        ],
    }


def test_nothing_is_overwritten(clsctl, tmp_path):
    source = lists(tmp_path / "data", ("a",), train=[("images/1.jpg", 0)])
    before = contents(source)
    done = clsctl("dataset", "import", "data", "data")
    assert (done.returncode, done.stderr) == (
        3,
        "error: data is there already, and is never overwritten [E_EXISTS]\n"
        "hint: name a folder that does not exist yet, or move that one away\n",
    )
    assert contents(source) == before
