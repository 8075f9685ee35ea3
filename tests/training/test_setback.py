"""An epoch of the second half that is surely worse than the start is taken back, once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_training import MODEL, state, weights_for, write_dataset

import clsctl
from clsctl.training.run_dir.checkpoint import read_progress

SPOILT = {
    "batch_size": 6,
    "epochs": 5,
    "data.image_size": 64,
    "optimizer.learning_rate": 1e3,
    "optimizer.weight_decay": 0,
    "freeze_until": "head",
}

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """As many images to validate with as a difference needs to show."""
    root = write_dataset(tmp_path / "data", 20)
    lines = (root / "train.txt").read_text().splitlines()
    (root / "train.txt").write_text("\n".join(lines[::3]) + "\n")
    (root / "val.txt").write_text("\n".join(lines[1::3] + lines[2::3]) + "\n")
    return root


@pytest.fixture
def weights(tmp_path: Path) -> str:
    return str(weights_for(5, tmp_path / "other.pdparams"))


def test_it_goes_back_once_at_a_lower_rate_and_then_stops(
    data: Path, weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    result = clsctl.train(MODEL, data, tmp_path / "run", weights=weights, **SPOILT)
    start, *epochs = result.history
    assert [figures["epoch"] for figures in epochs] == [1, 2, 3, 4]
    assert max(figures["top1"] for figures in epochs) < start["top1"] == result.top1
    assert result.best_epoch == 0
    said = capsys.readouterr().err
    assert "note: epoch 1 is worse" not in said
    assert "note: epoch 3 is worse than the start by " in said
    assert "; going back to the best weights, at 0.33 of the rate\n" in said
    assert "note: epoch 4 is worse than the start by " in said
    assert "; training will not improve on it, and stops\n" in said
    rates = {
        record["epoch"]: record["learning_rate"]
        for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
        if (record := json.loads(line)).get("batch") == 3
    }
    assert rates[4] < 0.34 * rates[3]
    assert clsctl.evaluate(data, weights=tmp_path / "run").top1 == result.top1


@pytest.mark.parametrize(("on_setback", "epochs"), [("stop", 3), ("continue", 5)])
def test_the_user_decides(data: Path, weights: str, tmp_path: Path, on_setback: str, epochs: int):
    settings = SPOILT | {"on_setback": on_setback}
    result = clsctl.train(MODEL, data, tmp_path / "run", weights=weights, **settings)
    assert [figures["epoch"] for figures in result.history] == list(range(epochs + 1))


def test_an_epoch_as_good_as_the_start_is_kept(data: Path, weights: str, tmp_path: Path):
    settings = SPOILT | {"optimizer.learning_rate": 1e-9, "epochs": 2}
    clsctl.train(MODEL, data, tmp_path / "run", weights=weights, **settings)
    progress = read_progress(tmp_path / "run", "latest")
    assert progress is not None
    assert (progress.epoch, progress.setbacks, progress.rate_factor) == (2, 0, 1.0)
    assert len(progress.start_right) == 40


def test_resumed_after_going_back_it_ends_in_the_very_same_weights(
    data: Path, weights: str, tmp_path: Path
):
    settings = [part for key, value in SPOILT.items() for part in ("--set", f"{key}={value}")]
    train = [sys.executable, "-m", "clsctl", "train"]
    run = [*train, "-m", MODEL, "--weights", weights, *settings, "-d", data, "-o"]
    subprocess.run([*run, tmp_path / "whole"], check=True, capture_output=True)
    broken = [*run, tmp_path / "broken"]
    with subprocess.Popen(broken, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("going back" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        assert "after step " in process.stderr.read()
    progress = read_progress(tmp_path / "broken", "latest")
    assert progress is not None
    assert (progress.epoch, progress.setbacks) == (3, 1)
    subprocess.run([*train, "--resume", tmp_path / "broken"], check=True, capture_output=True)
    assert state(tmp_path / "broken") == state(tmp_path / "whole")
