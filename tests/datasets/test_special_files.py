"""Lists, tables and configurations that are pipes or devices are refused, and never waited for."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from fixtures import Run
from image_datasets import clean

KINDS = ("a named pipe", "a device", "a folder")
FILES = ("train.txt", "val.txt", "label.txt")
COMMANDS = (
    "dataset check {data} --fast",
    "dataset split {data} --dry-run",
    "dataset stats {data}",
    "train -m MobileNetV1_x0_25 --scratch -d {data}",
    "eval -m {run} -d {data}",
    "calibrate -m {run} -d {data}",
)


def replace(path: Path, kind: str) -> Path:
    """Put something that is no file in the place of a file."""
    path.unlink(missing_ok=True)
    if kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return clean(tmp_path / "data")


@pytest.mark.parametrize("kind", KINDS[:2])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_list_that_is_no_file(clsctl: Run, data: Path, run: Path, command: str, kind: str):
    replace(data / "train.txt", kind)
    done = clsctl(*command.format(data=data, run=run).split())
    assert done.returncode == 3, done.stdout + done.stderr
    assert "train.txt" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*FILES, "table.csv", "table.parquet"])
def test_any_file_of_a_dataset(call: Run, data: Path, name: str, kind: str):
    if name.startswith("table"):
        for listed in FILES:
            (data / listed).unlink()
        shutil.rmtree(data / "images")
    replace(data / name, kind)
    assert call("dataset", "check", data, "--fast").returncode == 3


@pytest.mark.parametrize("kind", KINDS)
def test_files_beside_a_dataset(clsctl: Run, data: Path, tmp_path: Path, kind: str):
    objects = replace(tmp_path / "objects.csv", kind)
    split = clsctl("dataset", "split", data, "--group", objects)
    assert (split.returncode, "[E_SPLIT_GROUP]" in split.stderr) == (2, True)
    config = replace(tmp_path / "config.yaml", kind)
    train = clsctl("train", "-d", data, "--config", config)
    assert (train.returncode, "[E_CONFIG]" in train.stderr) == (2, True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["config.yaml", "label_dict.txt", "run.json"])
def test_files_of_a_run_to_resume(clsctl: Run, data: Path, tmp_path: Path, name: str, kind: str):
    (tmp_path / "run").mkdir()
    text = f"model: MobileNetV1_x0_25\ndata:\n  path: {data}\npretrained: false\n"
    (tmp_path / "run" / "config.yaml").write_text(text)
    replace(tmp_path / "run" / name, kind)
    done = clsctl("train", "--resume", "run", "--set", "epochs=0")
    assert done.returncode == 2, done.stderr
