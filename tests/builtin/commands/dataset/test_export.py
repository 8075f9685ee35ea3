from __future__ import annotations

import pytest
from dataset_builders import contents, lists

LINES = [("images/1.jpg", 0), ("images/2.jpg", 1)]


def test_export(clsctl, tmp_path):
    lists(tmp_path / "data", ("cat", "dog"), train=LINES, val=[("images/3 b.jpg", 0)])
    done = clsctl("dataset", "export", "data", "made", "--mode", "link")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "train: 2 samples\nval: 1 sample\n2 classes, written to made\n"
    found = contents(tmp_path / "made")
    assert found.keys() == {"train/cat/1.jpg", "train/dog/2.jpg", "val/cat/3 b.jpg"}


@pytest.mark.parametrize("command", ["export", "import"])
def test_a_name_that_no_file_can_have(call, tmp_path, command):
    root = lists(tmp_path / "data", ("cat", "dog"), train=LINES)
    (root / "train.txt").write_bytes(b"images/1.jpg 0\nb\0.jpg 1\n")
    done = call("dataset", command, "data", "made")
    assert (done.returncode, done.stdout) == (3, "")
    assert r"train.txt:2: b\x00.jpg cannot be read: embedded null" in done.stderr
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("command", ["export", "import"])
def test_a_list_of_no_classes(call, tmp_path, command):
    root = lists(tmp_path / "data", ("cat", "dog"), train=LINES)
    (root / "label.txt").write_bytes(b"")
    done = call("dataset", command, "data", "made")
    assert (done.returncode, done.stdout) == (3, "")
    assert "label.txt names no classes" in done.stderr
    assert "[E_DATASET_INVALID]" in done.stderr
