"""Datasets as they come out of archives and other programs: what is read is said."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from dataset_builders import contents, put
from fixtures import Run
from image_datasets import picture, save, tree

PETS = {"train/cat": 2, "train/dog": 2, "val/cat": 1, "val/dog": 1}


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return tree(tmp_path / "pets", PETS)


def classes(call: Run, *arguments: str | Path) -> dict[str, int]:
    """Samples by class, as `clsctl dataset stats` counts them."""
    done = call("dataset", "stats", *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    return {one["name"]: sum(one["samples"].values()) for one in json.loads(done.stdout)["classes"]}


def reported(call: Run, *arguments: str | Path) -> tuple[int, dict[str, str]]:
    """Exit status of `clsctl dataset check`, and a message by code."""
    done = call("dataset", "check", *arguments, "--fast", "--format", "json")
    if not done.stdout:
        return done.returncode, {"": done.stderr}
    problems = json.loads(done.stdout)["report"]["problems"]
    ignored = ("D_IMAGE_SMALL", "D_ASPECT_RATIO", "D_NOT_RGB")
    return done.returncode, {
        one["code"]: one["message"] for one in problems if one["code"] not in ignored
    }


LEFTOVERS = ("train/__MACOSX/._1.jpg", "train/@eaDir/1.jpg", "train/cat/Thumbs.db")
LEFTOVERS += ("train/cat/.ipynb_checkpoints/0-checkpoint.jpg", "val/._dog.jpg", "__MACOSX/x.jpg")


def test_what_systems_leave_is_noted_once_and_never_read(call: Run, pets: Path):
    put(pets, [*LEFTOVERS, "._labels.csv", "desktop.ini"])
    assert classes(call, pets) == {"cat": 3, "dog": 3}
    status, problems = reported(call, pets)
    assert (status, list(problems)) == (0, ["D_LEFTOVER"])
    assert problems["D_LEFTOVER"].startswith("._labels.csv and 7 more: ")


def test_a_zip_made_by_the_finder(call: Run, tmp_path: Path):
    tree(tmp_path / "zip" / "pets", PETS)
    put(tmp_path / "zip", ["__MACOSX/pets/train/._cat"])
    assert classes(call, tmp_path / "zip") == {"cat": 3, "dog": 3}
    assert list(reported(call, tmp_path / "zip")[1]) == ["D_WRAPPED", "D_LEFTOVER"]


def test_a_table_beside_its_shadow(call: Run, tmp_path: Path):
    rows = [f"{save(tmp_path / f'd/{n}.jpg', picture(n)).name},{'ab'[n % 2]}" for n in range(4)]
    (tmp_path / "d" / "labels.csv").write_text("\n".join(["path,label", *rows]))
    put(tmp_path / "d", ["._labels.csv"])
    assert classes(call, tmp_path / "d") == {"a": 2, "b": 2}
    assert "D_LEFTOVER" in reported(call, tmp_path / "d")[1]


def test_predict_passes_over_what_systems_leave(call: Run, pets: Path, ready: Path):
    put(pets, LEFTOVERS)
    done = call("predict", pets, "--model-dir", ready, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 6


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("training_set/training_set", "test_set/test_set"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("train/train", "val/val"),
        ("Train", "Validation"),
        ("train_images", "val-images"),
    ],
)
def test_a_folder_around_the_classes(call: Run, tmp_path: Path, train: str, test: str):
    root = tree(tmp_path / "d", {f"{s}/{c}": 2 for s in (train, test) for c in ("cat", "dog")})
    assert classes(call, root) == {"cat": 4, "dog": 4}
    _, problems = reported(call, root)
    assert ("D_WRAPPED" in problems) == ("/" in train)


@pytest.mark.parametrize("other", ["validation", "Val", "val_set"])
def test_two_folders_of_one_split_are_refused(call: Run, clsctl: Run, pets: Path, other: str):
    tree(pets, {f"{other}/cat": 1})
    status, problems = reported(call, pets)
    assert status == 3
    assert {*problems["D_SPLIT_FOLDERS"].split()[:3]} == {"val", "and", other}
    done = clsctl("train", "-m", "PP-LCNet_x0_25", "-d", pets, "--scratch")
    assert done.returncode == 3
    assert problems["D_SPLIT_FOLDERS"] in done.stderr


def test_images_without_a_class_are_a_note(call: Run, pets: Path):
    tree(pets, {"test": 3, "seg_pred": 2})
    save(pets / "train" / "cover.jpg", picture(77))
    assert classes(call, pets) == {"cat": 3, "dog": 3}
    status, problems = reported(call, pets)
    assert status == 0
    assert {"D_UNLABELLED", "D_FOLDER_UNUSED"} == set(problems)
    assert problems["D_FOLDER_UNUSED"].startswith("seg_pred holds images")


def test_unlabelled_images_in_a_folder_of_their_own_are_a_note(call: Run, pets: Path):
    tree(pets, {"test/images": 3})
    assert classes(call, pets) == {"cat": 3, "dog": 3}
    status, problems = reported(call, pets)
    assert (status, set(problems)) == (0, {"D_UNLABELLED"})
    assert problems["D_UNLABELLED"].startswith("test holds 3 images")


def test_a_folder_around_everything_is_said(
    call: Run, clsctl: Run, pets: Path, run: Path, processor_with: Callable[[str], None]
):
    processor_with("flags\t\t: avx512_vnni")  # Others refuse `quantize` before they look at data.
    inner = pets / "pets"
    inner.mkdir()
    for split in ("train", "val"):
        (pets / split).rename(inner / split)
    assert classes(call, pets) == {"cat": 3, "dog": 3}
    note = "note: pets in pets is read, because there is no other folder beside it"
    split = ("--train", "50", "--val", "50", "--dry-run")
    commands = [
        ("dataset", "check", pets, "--fast"),
        ("dataset", "stats", pets),
        ("dataset", "split", pets, *split),
        ("dataset", "export", pets, "exported"),
        ("train", "-d", pets, "-m", "PP-LCNet_x0_25", "--scratch", "--set", "data.num_classes=9"),
        ("eval", "-d", pets, "-m", run),
        ("calibrate", "-d", pets, "-m", run),
        ("quantize", "-d", pets, "-m", run),
        ("export", "-d", pets, "-m", run, "-o", "model"),
        ("bench", "-d", pets, "-m", run),
    ]
    for command in commands:
        run_it = clsctl if command[0] == "train" else call
        done = run_it(*command)
        said = done.stdout if command[1] == "check" else done.stderr
        assert note.removeprefix("note: ") in said, (command, done.stderr)


def test_sets_of_class_folders_are_not_silently_classes(call: Run, clsctl: Run, tmp_path: Path):
    root = tree(tmp_path / "d", {f"set{s}/{c}": 2 for s in "AB" for c in ("cat", "dog")})
    assert classes(call, root) == {"setA": 4, "setB": 4}
    status, problems = reported(call, root)
    assert status == 0
    assert problems["D_DEEP_CLASSES"] == (
        "the classes are setA, setB, which hold no images themselves but in folders: cat, dog"
    )
    done = clsctl("train", "-m", "PP-LCNet_x0_25", "-d", root, "--scratch")
    assert problems["D_DEEP_CLASSES"] in done.stderr


def test_a_label_file_without_lists_gives_way_to_class_folders(call: Run, pets: Path):
    (pets / "label.txt").write_text("0 Katze\n1 Hund\n")
    assert classes(call, pets) == {"cat": 3, "dog": 3}
    status, problems = reported(call, pets)
    assert (status, set(problems)) == (0, {"D_LABEL_FILE_UNUSED"})


def test_files_that_are_no_images_are_counted_once(call: Run, pets: Path):
    put(pets, ["train/cat/notes.txt", "train/dog/a.txt", "val/dog/README", "train/cat/Thumbs.db"])
    status, problems = reported(call, pets)
    assert (status, set(problems)) == (0, {"D_SKIPPED", "D_LEFTOVER"})
    assert problems["D_SKIPPED"] == (
        "skipped what is no image: 3 files (2 .txt, 1 without an ending)"
    )


def test_heic_files_without_the_extra_are_counted_with_what_to_install(
    clsctl: Run, pets: Path, tmp_path: Path
):
    put(pets, ["train/cat/phone.HEIC", "train/dog/phone.heif"])
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import sys; sys.modules['pillow_heif'] = None\n")
    done = clsctl("dataset", "check", pets, "--fast", env={"PYTHONPATH": str(site)})
    assert "D_HEIC" in done.stdout
    assert "2 HEIC files need pillow-heif" in done.stdout
    assert "D_HEIC" not in clsctl("dataset", "check", pets, "--fast").stdout


@pytest.mark.skipif(os.access("/root", os.R_OK), reason="nothing is forbidden to root")
def test_a_folder_that_may_not_be_read_is_no_empty_class(call: Run, pets: Path):
    (pets / "train" / "cat" / "deep").mkdir(mode=0)
    status, problems = reported(call, pets)
    assert (status, "[E_DATASET_UNREADABLE]" in problems[""]) == (3, True)


def test_a_class_called_train(call: Run, tmp_path: Path):
    root = tree(tmp_path / "d", {"bus": 2, "car": 2, "train": 2})
    assert classes(call, root) == {"bus": 2, "car": 2, "train": 2}
    assert "D_SPLIT_CLASS" in reported(call, root)[1]


def test_a_table_without_the_columns_does_not_beat_a_tree(call: Run, pets: Path):
    (pets / "about.csv").write_text("animal,count\ncat,3\n")
    assert classes(call, pets) == {"cat": 3, "dog": 3}
    status, problems = reported(call, pets)
    assert status == 0
    assert "about.csv" in problems["D_TABLE_UNUSED"]


def test_the_layout_can_be_chosen(call: Run, pets: Path):
    (pets / "one.csv").write_text("path,label\ntrain/cat/0.jpg,x\n")
    assert classes(call, pets) == {"x": 1}
    assert classes(call, pets, "--layout", "folders") == {"cat": 3, "dog": 3}
    done = call("dataset", "stats", pets, "--layout", "lists")
    assert (done.returncode, "[E_DATASET_LAYOUT]" in done.stderr) == (3, True)
    (pets / "two.csv").write_text("path,label\ntrain/cat/0.jpg,x\n")
    done = call("dataset", "check", pets)
    assert "--layout folders" in done.stderr
    done = call("dataset", "split", pets, "--layout", "folders", "--train", "50", "--val", "50")
    assert done.returncode == 0, done.stderr


def test_every_command_reads_the_layout_that_is_chosen(
    call: Run, clsctl: Run, pets: Path, run: Path, processor_with: Callable[[str], None]
):
    processor_with("flags\t\t: avx512_vnni")
    (pets / "one.csv").write_text("path,label\ntrain/cat/0.jpg,x\n")
    commands = [
        ("dataset", "check", pets, "--fast"),
        ("dataset", "split", pets, "--dry-run"),
        ("train", "-d", pets, "-m", "PP-LCNet_x0_25", "--scratch"),
        ("eval", "-d", pets, "-m", run),
        ("calibrate", "-d", pets, "-m", run),
        ("quantize", "-d", pets, "-m", run / "best_model" / "inference"),
        ("bench", "-d", pets, "-m", run),
        ("export", "-d", pets, "-m", run, "-o", "model"),
    ]
    for command in commands:
        run_it = clsctl if command[0] == "train" else call
        done = run_it(*command, "--layout", "lists")
        assert done.returncode == 3, (command, done.stderr)
        assert "cannot be read with --layout lists" in done.stderr


def test_lists_as_paddleclas_calls_them(call: Run, pets: Path):
    lines = {"train": ["train/cat/0.jpg 0", "train/dog/0.jpg 1"], "val": ["val/dog/0.jpg 1"]}
    for split, paths in lines.items():
        (pets / f"{split}_list.txt").write_text("\n".join(paths))
    assert classes(call, pets) == {"cat": 1, "dog": 2}
    assert "after the folders" in reported(call, pets)[1]["D_CLASS_NAMES"]
    (pets / "label.txt").write_text("0 Katze\n1 Hund\n")
    assert classes(call, pets) == {"Katze": 1, "Hund": 2}
    (pets / "label.txt").unlink()
    done = call("dataset", "split", pets, "--train", "50", "--val", "50", "--no-stratify")
    assert done.returncode == 0, done.stderr
    assert contents(pets)["label.txt"] == b"0 cat\n1 dog\n"
    assert classes(call, pets) == {"cat": 1, "dog": 2}


def test_a_single_class(call: Run, clsctl: Run, tmp_path: Path):
    root = tree(tmp_path / "d", {"train/pets/cat": 2, "train/pets/dog": 2, "val/pets/cat": 1})
    status, problems = reported(call, root)
    assert status == 0
    assert problems["D_ONE_CLASS"] == (
        "'pets' is the only class; its images lie in folders of it: cat, dog"
    )
    done = clsctl("train", "-m", "PP-LCNet_x0_25", "-d", root, "--scratch")
    assert (done.returncode, "[E_DATASET_INVALID]" in done.stderr) == (3, True)
    assert problems["D_ONE_CLASS"] in done.stderr


def test_train_refuses_what_check_refuses(call: Run, clsctl: Run, pets: Path):
    (pets / "train" / "bird").mkdir()
    status, problems = reported(call, pets)
    assert (status, "D_CLASS_NO_TRAIN" in problems) == (3, True)
    done = clsctl("train", "-m", "PP-LCNet_x0_25", "-d", pets, "--scratch")
    assert done.returncode == 3
    assert problems["D_CLASS_NO_TRAIN"] in done.stderr
