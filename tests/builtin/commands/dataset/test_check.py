"""`clsctl dataset check`, as the user and as a program see it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from image_datasets import append, clean, picture, save, tree

RESULT = "output/check_dataset_result.json"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return clean(tmp_path / "data" / "pets")


def result(folder: Path) -> dict:
    return json.loads((folder / RESULT).read_text(encoding="utf-8"))


def test_a_clean_dataset_passes(clsctl, root, tmp_path):
    done = clsctl("dataset", "check", "data/pets")
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.sub(r"(\d\.\d{3}, ){2}\d\.\d{3}", "R, G, B", done.stdout)
    assert shown == (
        "data/pets, lists\n"
        "  Samples                   6 train, 2 val\n"
        "  Classes                   2\n"
        "  Largest to smallest class 1.0 times the training samples\n"
        "  Width                     256 to 256 pixels, median 256\n"
        "  Height                    240 to 240 pixels, median 240\n"
        "  Long to short side        1.07 to 1.07, median 1.07\n"
        "  Colour modes              8 RGB\n"
        "  Turned by EXIF data       0\n"
        "  Mean (R, G, B)            R, G, B\n"
        "  Standard deviation        R, G, B\n"
        "  Pairs of near-duplicates  0\n"
        "\n"
        "Report: output/check_dataset/report.html\n"
        "Check dataset passed !\n"
    )


def test_a_class_folder_of_a_name_that_is_no_utf8_is_refused(clsctl, tmp_path):
    root = tree(tmp_path / "tree", {"train/cat": 2, "train/dog": 2, "val/cat": 1, "val/dog": 1})
    (root / "train" / "dog").rename(os.fsdecode(os.fsencode(root) + b"/train/caf\xe9"))
    done = clsctl("dataset", "check", root)
    assert done.returncode == 3, done.stderr
    assert "the name of the folder 'caf?' holds bytes that are not UTF-8" in done.stdout
    assert clsctl("train", "-m", "PP-LCNet_x1_0", "-d", root).returncode == 3


def test_the_result_has_the_schema_of_the_specification(clsctl, root, tmp_path):
    clsctl("dataset", "check", "data/pets")
    found = result(tmp_path)
    report = found.pop("report")
    demos = {split: found["attributes"].pop(f"{split}_sample_paths") for split in ("train", "val")}
    assert found == {
        "done_flag": True,
        "check_pass": True,
        "attributes": {
            "label_file": "../../data/pets/label.txt",
            "num_classes": 2,
            "train_samples": 6,
            "val_samples": 2,
        },
        "analysis": {"histogram": "check_dataset/histogram.png"},
        "dataset_path": "pets",
        "show_type": "image",
        "dataset_type": "ClsDataset",
    }
    assert (len(demos["train"]), len(demos["val"])) == (6, 2)
    for path in {*demos["train"], *demos["val"], found["analysis"]["histogram"]}:
        assert cv2.imread(str(tmp_path / "output" / path)) is not None
    assert report["counts"] == {"error": 0, "warning": 0, "note": 0}
    assert report["thresholds"]["near_duplicate_bits_of_64"] == 6


def test_demo_images_are_those_that_paddlex_draws(clsctl, tmp_path):
    """Names as PaddleX 3.7.2 chose them from the same 40 lines."""
    root = tmp_path / "numbers"
    for number in range(40):
        save(root / f"images/{number}.png", picture(number))
    lines = [f"images/{number}.png {number % 2}\n" for number in range(40)]
    (root / "label.txt").write_text("0 even\n1 odd\n")
    (root / "train.txt").write_text("".join(lines))
    (root / "val.txt").write_text("".join(lines[:2]))
    clsctl("dataset", "check", root, "--ignore", "D_SPLIT_OVERLAP")
    demos = result(tmp_path)["attributes"]["train_sample_paths"]
    names = [18, 34, 36, 39, 16, 9, 8, 15, 23, 14]
    assert demos == [f"check_dataset/demo_img/{name}.png" for name in names]


def test_a_demo_image_shows_its_class(clsctl, root, tmp_path):
    plain = picture(50)
    save(root / "one.png", plain)
    append(root / "val.txt", "one.png 1")
    clsctl("dataset", "check", "data/pets")
    drawn = cv2.imread(str(tmp_path / "output/check_dataset/demo_img/one.png"))
    assert drawn.shape == plain.shape
    assert (drawn[:10, :10] != plain[:10, :10]).any()
    assert (drawn[30:] == plain[30:]).all()


def test_errors_fail_the_check(clsctl, root, tmp_path):
    line = append(root / "train.txt", "images/nowhere.jpg 0")
    done = clsctl("dataset", "check", "data/pets")
    assert done.returncode == 3
    assert done.stderr == (
        f"error: data/pets is not valid: train.txt:{line}: images/nowhere.jpg does not exist "
        "[E_DATASET_INVALID]\n"
        "hint: correct the path, or remove the line\n"
    )
    assert (
        "error: a file that does not exist [D_FILE_MISSING]\n"
        f"  train.txt:{line}  images/nowhere.jpg does not exist\n"
        "  fix: correct the path, or remove the line\n"
    ) in done.stdout
    assert "passed" not in done.stdout
    found = result(tmp_path)
    (problem,) = found.pop("report")["problems"]
    assert problem == {
        "code": "D_FILE_MISSING",
        "severity": "error",
        "message": "images/nowhere.jpg does not exist",
        "file": "train.txt",
        "line": line,
        "hint": "correct the path, or remove the line",
    }
    assert found == {
        "done_flag": False,
        "check_pass": False,
        "err_type": "<class 'clsctl.errors.DataError'>",
        "err_msg": f"data/pets is not valid: train.txt:{line}: images/nowhere.jpg does not exist",
    }


def test_many_problems_of_a_kind_are_cut(clsctl, root):
    for number in range(9):
        append(root / "train.txt", f"images/gone-{number}.jpg 0")
    done = clsctl("dataset", "check", "data/pets", "--fast")
    assert "error: a file that does not exist (9) [D_FILE_MISSING]" in done.stdout
    assert done.stdout.count(" does not exist\n") == 5
    assert "  and 4 more, see output/check_dataset/report.html\n" in done.stdout
    assert "and 8 more [E_DATASET_INVALID]" in done.stderr
    page = (root.parents[1] / "output/check_dataset/report.html").read_text(encoding="utf-8")
    assert page.count("does not exist") >= 9


def test_json_for_scripts(clsctl, root, tmp_path):
    append(root / "train.txt", "images/nowhere.jpg 0")
    done = clsctl("dataset", "check", "data/pets", "--format", "json")
    assert json.loads(done.stdout) == result(tmp_path)
    assert json.loads(done.stderr)["error"]["code"] == "E_DATASET_INVALID"


def test_strict_and_ignore(clsctl, root):
    save(root / "small.png", picture(7, 100, 100))
    append(root / "train.txt", "small.png 0")
    assert clsctl("dataset", "check", root).returncode == 0
    assert clsctl("dataset", "check", root, "--strict").returncode == 3
    done = clsctl("dataset", "check", root, "--strict", "--ignore", "D_IMAGE_SMALL")
    assert done.returncode == 0
    assert "ignored: 1 x D_IMAGE_SMALL" in done.stdout


def test_unknown_code(clsctl, root):
    done = clsctl("dataset", "check", root, "--ignore", "D_IMAGE_SMAL")
    assert done.returncode == 2
    assert "Did you mean D_IMAGE_SMALL" in done.stderr


def test_nothing_to_check(clsctl, tmp_path):
    done = clsctl("dataset", "check", "nowhere")
    assert done.returncode == 3
    assert (
        "there is no dataset at nowhere: no such file or directory [E_DATASET_NOT_FOUND]"
        in done.stderr
    )
    assert result(tmp_path)["done_flag"] is False


def test_output_that_cannot_be_written(clsctl, root, tmp_path):
    (tmp_path / "taken").write_text("")
    done = clsctl("dataset", "check", root, "-o", "taken")
    assert done.returncode == 2
    assert "[E_OUTPUT]" in done.stderr
    assert "choose another folder with -o" in done.stderr


def test_ctrl_c_leaves_nothing(root, tmp_path):
    script = (
        "import os, signal, sys\n"
        "def interrupt(event, arguments):\n"
        "    if event == 'open' and str(arguments[0]).endswith(('.jpg', '.png')):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.addaudithook(interrupt)\n"
        "from clsctl.main import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", script, "dataset", "check", str(root), "-o", "new/output"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 130, done.stderr
    assert not (tmp_path / "new").exists()


def test_a_result_of_an_earlier_check_is_replaced(clsctl, root, tmp_path):
    clsctl("dataset", "check", root)
    append(root / "train.txt", "images/nowhere.jpg 0")
    clsctl("dataset", "check", root)
    assert result(tmp_path)["done_flag"] is False
    assert [path.name for path in tmp_path.glob("output/**/*.tmp")] == []


def test_folders(clsctl, tmp_path):
    counts = {"train/猫": 2, "train/a <b> dog": 2, "val/猫": 1, "val/a <b> dog": 1}
    tree(tmp_path / "pets", counts)
    done = clsctl("dataset", "check", "pets", env={"LC_ALL": "C"})
    assert done.returncode == 0
    assert done.stdout.startswith("pets, a folder for each class\n")
    label_file = tmp_path / "output/check_dataset" / result(tmp_path)["attributes"]["label_file"]
    assert label_file.read_text(encoding="utf-8") == "0 a <b> dog\n1 猫\n"


def test_the_report_is_one_page(clsctl, root, tmp_path):
    shutil.copy(root / "images/cat/0.jpg", root / "a <b> & c.jpg")
    append(root / "val.txt", "a <b> & c.jpg 0")
    clsctl("dataset", "check", root)
    page = (tmp_path / "output/check_dataset/report.html").read_text(encoding="utf-8")
    assert "a &lt;b&gt; &amp; c.jpg" in page
    assert "D_LEAK" in page
    sources = re.findall(r'(?:src|href)="([^"]{12})', page)
    assert len(sources) >= 6 + 1 + 2
    assert {source[:11] for source in sources} == {"data:image/"}


def test_a_check_loads_no_network(root):
    program = (
        "import sys; from clsctl.main import run; run(sys.argv[1:]);"
        "sys.exit(any(name in sys.modules for name in ('paddle', 'onnxruntime', 'httpx')))"
    )
    command = [sys.executable, "-c", program, "dataset", "check", str(root)]
    subprocess.run(command, check=True, cwd=root.parents[1], stdout=subprocess.DEVNULL)
