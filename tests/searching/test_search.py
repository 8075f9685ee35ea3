"""`clsctl train` without a model finds the one that learns a dataset best in the time there is."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import golden_rules
import pytest
from fixtures import NO_CURVES, Run
from models import once
from stores import close_the_network
from tiny_training import CLASSES, write_dataset

import clsctl as library

MODELS = ("PP-LCNet_x0_25", "MobileNetV1_x0_25")
"""The smaller ones of those that fit into 6 MB; the larger ones are not on the mirror."""

SEARCH = ("train", "--time", "10m", "--max-size", "6MB", "--epochs", "1", "-b", "6", "-o", "found")

ONE = ("--max-size", "2MB")
"""Leaves the smaller one of the two."""

pytestmark = pytest.mark.usefixtures("one_thread")


def _write_mirror(folder: Path) -> None:
    import paddle

    folder.mkdir()
    for name in MODELS:
        network = library.build(name)
        facts = golden_rules.manifest(name)
        golden_rules.fill(network, facts["weight_seed"], facts["gain"])
        paddle.save(network.state_dict(), str(folder / f"{name}_pretrained.pdparams"))


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the training weights of two models."""
    return once(tmp_path_factory, "mirror", _write_mirror)


@pytest.fixture(autouse=True)
def store(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty store that pulls from the mirror, and nothing that a plugin brings."""
    close_the_network(monkeypatch)
    monkeypatch.setenv("CLSCTL_MIRRORS", str(mirror))
    monkeypatch.setenv("CLSCTL_DISABLED_PLUGINS", f"{NO_CURVES},clsctl-efficientnet-lite")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data")


def test_models_are_ranked_trained_and_one_is_taken(clsctl: Run, data: Path, tmp_path: Path):
    done = clsctl(*SEARCH, "-d", data)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "found" / "search.json").read_text())
    tried = [(one["model"], one["image_size"]) for one in record["candidates"]]
    best = min(record["candidates"], key=lambda one: one["nll"])["model"]
    assert set(tried) == {(MODELS[0], 224), (MODELS[1], 224), (best, 288)}
    assert all(trial["top1"] is not None for trial in record["trials"])
    assert not record["trials"][-1]["folder"].startswith("short-")

    taken = re.search(r"\nbest: (\S+) at (\d+) pixels, top-1 (\S+)% ", done.stdout)
    assert taken, done.stdout
    assert (taken[1], int(taken[2])) in tried
    answer = clsctl(
        "predict", data / "images" / "0_0.png", "--model-dir", "found/best_model/inference"
    )
    assert answer.returncode == 0, answer.stderr
    page = (tmp_path / "found" / "report.html").read_text(encoding="utf-8")
    assert all(name in page for name in (*CLASSES, *MODELS))


def test_runs_do_not_compare_again_what_ranking_compared(clsctl: Run, tmp_path: Path):
    data = write_dataset(tmp_path / "data", 24)  # enough for batch norm's statistics
    done = clsctl(*SEARCH, *ONE, "-d", data, "--set", "data.image_size=64")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "found" / "search.json").read_text())
    (candidate,) = record["candidates"]
    (trial,) = record["trials"]
    log = (tmp_path / "found" / "trials" / trial["folder"] / "train.log").read_text()
    found = re.search(r"(\w+) statistics \(left-out NLL: (\w+) [\d.]+\)\n", log)
    assert found, log
    assert found.groups() == (candidate["statistics"], candidate["statistics"])


def test_a_search_that_is_interrupted_gives_its_best_and_is_resumed(
    clsctl: Run, data: Path, tmp_path: Path
):
    options = [*SEARCH, *ONE, "--epochs", "100000", "--image-size", "64", "-d", str(data)]
    command = [sys.executable, "-m", "clsctl", *options]
    with subprocess.Popen(
        command, cwd=tmp_path, env=os.environ, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        begun = next(line for line in process.stderr if re.search(r"epoch 1/\d+  loss", line))
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130, begun + rest
    assert "the best model so far is in found [E_INTERRUPTED]" in rest
    assert "clsctl train --resume found" in rest
    found = tmp_path / "found"
    before = json.loads((found / "search.json").read_text())
    assert (found / "best_model" / "inference" / "inference.yml").is_file()
    assert (found / "report.html").is_file()

    done = clsctl("train", "--resume", "found", "--epochs", "1")
    assert done.returncode == 0, done.stderr
    after = json.loads((found / "search.json").read_text())
    assert after["candidates"] == before["candidates"]
    assert after["seconds"] > before["seconds"]
    assert all(trial["top1"] is not None for trial in after["trials"])


def test_validation_images_are_held_out_where_there_are_none(
    clsctl: Run, data: Path, tmp_path: Path
):
    lines = (data / "train.txt").read_text() + (data / "val.txt").read_text()
    (data / "train.txt").write_text(lines)
    (data / "val.txt").unlink()
    before = {path.name: path.read_bytes() for path in data.iterdir() if path.is_file()}
    done = clsctl(*SEARCH, *ONE, "-d", data, "--set", "data.image_size=64")
    assert done.returncode == 0, done.stderr
    assert "note: there are no validation images: 7 of 33 are held out" in done.stderr
    assert {path.name: path.read_bytes() for path in data.iterdir() if path.is_file()} == before
    lists = [(tmp_path / "found" / "dataset" / f"{name}.txt") for name in ("train", "val")]
    parts = [set(path.read_text().splitlines()) for path in lists]
    assert [len(part) for part in parts] == [26, 7]
    assert not parts[0] & parts[1]
    record = json.loads((tmp_path / "found" / "search.json").read_text())
    assert {one["image_size"] for one in record["candidates"]} == {64}


def test_a_search_without_a_model_to_try_leaves_nothing(clsctl: Run, data: Path, tmp_path: Path):
    done = clsctl(*SEARCH, "-d", data, "--max-size", "1MB")
    assert done.returncode == 4, done.stderr
    assert "error: there is no model to try" in done.stderr
    assert "[E_SEARCH_NOTHING]" in done.stderr
    assert not (tmp_path / "found").exists()


def test_no_model_is_quick_enough(clsctl: Run, data: Path):
    done = clsctl(*SEARCH, *ONE, "-d", data, "--latency", "0.001ms")
    assert done.returncode == 4, done.stderr
    assert re.search(
        r"no model classifies an image in 0.001 ms here: \S+, the fastest", done.stderr
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-m", MODELS[0], "--latency", "5ms"], "are for finding a model"),
        (["--latency", "5 s"], "'5 s' is no number of ms"),
        (["--max-size", "0"], "'0' is no number of MB"),
    ],
)
def test_limits_that_make_no_sense_are_refused(
    call: Run, data: Path, options: list[str], message: str
):
    done = call(*SEARCH, "-d", data, *options)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
