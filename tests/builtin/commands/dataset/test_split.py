from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from dataset_builders import contents, listed, lists, read

CLASSES = ("cat", "tabby dog", "[bold]")


@pytest.fixture
def root(tmp_path):
    train = [*listed(50, 0), *listed(35, 1), *listed(5, 2)]
    return lists(tmp_path / "data", CLASSES, images=False, train=train, val=listed(10, 0, 50))


def test_a_split_says_what_it_did(clsctl, root):
    clsctl("dataset", "split", "data", "--train", "80", "--val", "20")
    done = clsctl("dataset", "split", "data", "--train", "70", "--test", "10", "--seed", "1")
    assert done.stdout == (
        "train: 70 samples (the old list is train.txt.bak1)\n"
        "val: 20 samples (the old list is val.txt.bak1)\n"
        "test: 10 samples\n"
        "written to data\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(read(root, "train.txt")) == 70
    done = clsctl("dataset", "split", "data", "--test", "0")
    assert done.stdout == (
        "train: 90 samples (the old list is train.txt.bak2)\n"
        "val: 10 samples (the old list is val.txt.bak2)\n"
        "test.txt is test.txt.bak now\n"
        "written to data\n"
    )


def test_a_dry_run_shows_the_classes(clsctl, root):
    before = contents(root)
    done = clsctl("dataset", "split", "data", "--dry-run")
    assert [line.rstrip() for line in done.stdout.splitlines()] == [
        "Class       train     val  total",
        "cat            54       6     60",
        "tabby dog      32       3     35",
        "[bold]          4       1      5",
        "Total          90      10    100",
        "           90.0 %  10.0 %",
    ]
    assert done.returncode == 0
    assert contents(root) == before


def test_repeated_lines_and_a_test_list_are_mentioned(clsctl, tmp_path):
    lines = listed(20, 0)
    lists(
        tmp_path / "data", ("a",), images=False, train=lines, val=lines[:3], test=listed(2, 0, 30)
    )
    done = clsctl("dataset", "split", "data")
    assert done.stdout == (
        "train: 18 samples (the old list is train.txt.bak)\n"
        "val: 2 samples (the old list is val.txt.bak)\n"
        "written to data\n"
        "test: 2 samples, left as they were\n"
        "kept once: 3 lines named a sample listed before\n"
    )


def test_warnings_go_to_standard_error(clsctl, tmp_path):
    lists(tmp_path / "data", ("a", "b"), images=False, train=[*listed(20, 0), *listed(1, 1)])
    done = clsctl("dataset", "split", "data")
    assert done.returncode == 0
    assert done.stderr == (
        "warning: val has no sample of class 'b' [E_SPLIT_EMPTY_CLASS]\n"
        "hint: at 10 % a class needs about 10 samples to be sure of one: add some, or give val a "
        "larger share\n"
    )


def test_percentages_that_do_not_sum_to_100(clsctl, root):
    before = contents(root)
    done = clsctl("dataset", "split", "data", "--train", "90", "--val", "20")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: the percentages sum to 110: train 90, val 20 [E_SPLIT_PERCENT]\n"
        "hint: give percentages that sum to 100, such as --train 80 --val 10 --test 10; of --train "
        "and --val, one that is left out takes the rest\n"
    )
    assert contents(root) == before


@pytest.mark.parametrize("kind", ["expression", "file"])
def test_groups(clsctl, tmp_path, kind):
    names = [f"images/{number:02}_{view}.jpg" for number in range(20) for view in "ab"]
    lists(tmp_path / "data", ("a",), images=False, train=[(name, 0) for name in names])
    rows = "".join(f"{name},{name[7:9]}\n" for name in names)
    (tmp_path / "objects.csv").write_text(f"path,group\n{rows}")
    group = "objects.csv" if kind == "file" else r"(\d+)_[ab]"
    done = clsctl("dataset", "split", "data", "--val", "25", "--group", group)
    assert (done.returncode, done.stderr) == (0, "")
    objects = {name[7:9] for name, _ in read(tmp_path / "data", "val.txt")}
    assert len(objects) == 5
    assert not objects & {name[7:9] for name, _ in read(tmp_path / "data", "train.txt")}


def test_json_holds_everything(clsctl, root):
    done = clsctl("dataset", "split", "data", "--val", "50", "--seed", "7", "--format", "json")
    assert json.loads(done.stdout) == {
        "root": "data",
        "seed": 7,
        "dry_run": False,
        "splits": {
            "train": {"samples": 50, "share": 50.0},
            "val": {"samples": 50, "share": 50.0},
        },
        "held_out": 0,
        "repeated": 0,
        "classes": [
            {"id": 0, "name": "cat", "train": 30, "val": 30},
            {"id": 1, "name": "tabby dog", "train": 18, "val": 17},
            {"id": 2, "name": "[bold]", "train": 2, "val": 3},
        ],
        "backups": {"train.txt": "train.txt.bak", "val.txt": "val.txt.bak"},
        "warnings": [],
    }


def test_folds(clsctl, tmp_path, root):
    before = contents(root)
    done = clsctl("dataset", "split", "data", "--kfold", "3")
    assert done.stdout == (
        "fold_1: 34 samples\n"
        "fold_2: 33 samples\n"
        "fold_3: 33 samples\n"
        f"written to {tmp_path / 'data-folds'}\n"
    )
    assert contents(root) == before
    assert len(read(tmp_path / "data-folds" / "fold_3", "val.txt")) == 33
    done = clsctl("dataset", "split", "data", "--kfold", "3", "--train", "80")
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        "error: --kfold makes parts of equal size, so that there is no percentage to choose "
        "[E_SPLIT_PERCENT]",
    )


def test_the_dataset_commands_do_not_load_paddle(root):
    program = (
        "import sys; from clsctl.main import run\n"
        "for words in (['split', 'data', '--val', '20'], ['stats', 'data'],\n"
        "              ['import', 'data', 'made', '--mode', 'list']):\n"
        "    assert run(['dataset', *words]) == 0\n"
        "assert not {'paddle', 'torch', 'onnxruntime'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root.parent, env=os.environ, timeout=60, check=False
    )
    assert done.returncode == 0


@pytest.mark.parametrize("content", ["", "\t\n", "\n\n"])
def test_lists_without_a_sample_are_one_error(call, tmp_path, content):
    root = lists(tmp_path / "data", ("cat", "dog"), train=[])
    (root / "train.txt").write_text(content)
    for options in ([], ["--kfold", "2", "-o", "folds"]):
        done = call("dataset", "split", "data", *options)
        assert (done.returncode, done.stdout) == (3, "")
        assert "of 0 samples is too little [E_SPLIT_EMPTY_SIDE]" in done.stderr
