"""Training on datasets of which something is missing, or changes before the run is resumed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fixtures import Run
from tiny_training import MODEL, OPTIONS, run_of_folders, write_dataset

TINY = ("-m", MODEL, *OPTIONS, "--epochs", "1")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data", images=2)


@pytest.mark.parametrize("kind", ["missing", "broken link", "folder", "backslash"])
def test_a_listed_file_that_cannot_be_read_is_named(clsctl: Run, data: Path, kind: str):
    path = data / "images" / "lost.png"
    listed = "images\\0_0.png" if kind == "backslash" else "images/lost.png"
    if kind == "broken link":
        path.symlink_to("nowhere.png")
    elif kind == "folder":
        path.mkdir()
    with (data / "train.txt").open("a") as stream:
        stream.write(f"{listed} 0\n")
    done = clsctl("train", *TINY, "-d", data)
    assert done.returncode == 3, done.stderr
    assert f"error: train.txt, line 7: {listed}: " in done.stderr
    assert not Path(data.parent / "output").exists()
    assert clsctl("dataset", "check", data).returncode == 3


def test_what_a_failed_start_leaves_in_a_folder_is_what_was_there(clsctl: Run, data: Path):
    (data / "images" / "0_0.png").unlink()
    kept = data.parent / "kept"
    kept.mkdir()
    (kept / "notes.txt").touch()
    for output in ("kept", "new/run"):
        assert clsctl("train", *TINY, "-d", data, "-o", output).returncode == 3
    assert [path.name for path in kept.iterdir()] == ["notes.txt"]
    assert not (data.parent / "new").exists()


def test_a_folder_that_cannot_be_made_is_said(clsctl: Run, data: Path):
    done = clsctl("train", *TINY, "-d", data, "-o", "n" * 300)
    assert (done.returncode, "[E_OUTPUT]" in done.stderr) == (2, True)


@pytest.fixture
def folders(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of which the names decide the ids, with a run of one epoch beside them."""
    return run_of_folders(tmp_path_factory, tmp_path)


def test_a_run_with_other_classes_is_not_resumed(clsctl: Run, folders: Path, tmp_path: Path):
    labels = (tmp_path / "run" / "label_dict.txt").read_bytes()
    for split in ("train", "val"):
        (folders / split / "blue").rename(folders / split / "zinc")
    renamed = clsctl("train", "--resume", "run", "--epochs", "2")
    assert renamed.returncode == 3, renamed.stderr
    assert "class 0 was 'blue' and is 'green' now [E_RESUME_CLASSES]" in renamed.stderr
    assert "--weights run/best_model/best_model.pdparams" in renamed.stderr
    for split in ("train", "val"):
        (folders / split / "zinc").rename(folders / split / "blue")
        shutil.copytree(folders / split / "green", folders / split / "red")
    added = clsctl("train", "--resume", "run", "--epochs", "2")
    assert added.returncode == 3
    assert "class 2 was no class and is 'red' now" in added.stderr
    assert (tmp_path / "run" / "label_dict.txt").read_bytes() == labels


def test_a_run_says_that_its_images_have_changed(clsctl: Run, folders: Path):
    same = clsctl("train", "--resume", "run", "--epochs", "2")
    assert same.returncode == 0, same.stderr
    assert "have changed" not in same.stderr
    (folders / "train" / "blue" / "0.png").unlink()
    fewer = clsctl("train", "--resume", "run", "--epochs", "3")
    assert fewer.returncode == 0, fewer.stderr
    changed = (
        "note: the images have changed since the run began: train 8, val 8, now train 7, val 8"
    )
    assert changed in fewer.stderr


def test_export_does_without_images_that_were_deleted(call: Run, folders: Path):
    (folders / "val" / "blue" / "0.png").unlink()
    with_one_less = call("export", "--weights", "run", "-o", "one")
    assert with_one_less.returncode == 0, with_one_less.stderr
    (folders / "val" / "blue" / "1.png").write_bytes(b"")
    damaged = call("export", "--weights", "run", "-o", "two")
    assert damaged.returncode == 0, damaged.stderr
    assert "does without an image of" in damaged.stderr
    assert "val/blue/1.png: the file is empty" in damaged.stderr
    shutil.rmtree(folders / "train")
    gone = call("export", "--weights", "run", "-o", "three")
    assert gone.returncode == 0, gone.stderr
