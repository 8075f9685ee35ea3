from __future__ import annotations

from dataset_builders import contents, lists

LINES = [("images/1.jpg", 0), ("images/2.jpg", 1)]


def test_export(clsctl, tmp_path):
    lists(tmp_path / "data", ("cat", "dog"), train=LINES, val=[("images/3 b.jpg", 0)])
    done = clsctl("dataset", "export", "data", "made", "--mode", "link")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "train: 2 samples\nval: 1 sample\n2 classes, written to made\n"
    found = contents(tmp_path / "made")
    assert found.keys() == {"train/cat/1.jpg", "train/dog/2.jpg", "val/cat/3 b.jpg"}
