"""A run with a time limit fits its epochs into it, ends with it, and resumes what is left of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from fixtures import Run
from tiny_training import MODEL, weights_for, write_dataset

from clsctl.errors import UsageError
from clsctl.training.run_dir.checkpoint import read_progress
from clsctl.training.time_limit import parse_minutes

TINY = ("-m", MODEL, "--scratch", "-b", "6", "--set", "data.image_size=64")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data")


def test_epochs_are_fitted_into_the_time(clsctl: Run, data: Path, tmp_path: Path):
    """A day is long enough for all that a run has by itself, and a minute is not for a million."""
    done = clsctl("train", *TINY, "-d", data, "--time", "24h", "--epochs", "1", "-o", "day")
    assert done.returncode == 0, done.stderr
    assert "; epochs: 1 (option)\n" in done.stderr
    limits = ("--time", "8s", "--set", "epochs=1000000")
    done = clsctl("train", *TINY, "-d", data, *limits, "-o", "short")
    assert done.returncode == 0, done.stderr
    progress = read_progress(tmp_path / "short", "latest")
    assert progress is not None
    assert 1 <= progress.epoch < 1_000_000
    assert progress.seconds < 60
    assert (tmp_path / "short" / "best_model" / "inference" / "inference.yml").is_file()


def test_epochs_are_shortened_to_fill_the_time(clsctl: Run, data: Path, tmp_path: Path):
    """With images so large that no machine makes an epoch of all of them in 2 seconds."""
    large = ("--set", "data.image_size=1024", "--set", "epochs=3")
    done = clsctl("train", *TINY, *large, "-d", data, "-b", "2", "--time", "2s", "-o", "run")
    assert done.returncode == 0, done.stderr
    said = re.search(
        r"note: time: \S+ are left, an epoch takes about \S+; "
        r"epochs: 3 \(--set\), of (\d+) of the 24 images each\n",
        done.stderr,
    )
    assert said, done.stderr
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert int(said[1]) == 2 * config["steps_per_epoch"] < 24
    assert config["time_limit"] == pytest.approx(2 / 60)


def test_the_user_says_how_long_an_epoch_is(clsctl: Run, data: Path, tmp_path: Path):
    """The steps of a run are as many, and the next epoch continues with other images."""
    long = ("--set", "steps_per_epoch=9", "--set", "epochs=1", "-o", "long")
    done = clsctl("train", *TINY, *long, "-d", data)
    assert "note: steps: 4 an epoch, 4 in all\n" in done.stderr
    short = ("--set", "steps_per_epoch=1", "--set", "epochs=2", "-o", "short")
    done = clsctl("train", *TINY, *short, "-d", data, "--time", "24h")
    assert "note: steps: 1 an epoch, 2 in all\n" in done.stderr
    assert "epochs: 2 (--set), of 6 of the 24 images each\n" in done.stderr
    progress = read_progress(tmp_path / "short", "latest")
    assert progress is not None
    losses = [figures["train_loss"] for figures in progress.history]
    assert len(losses) == 2
    assert losses[0] != losses[1]


def test_the_start_is_measured_before_it_is_trained(clsctl: Run, data: Path, tmp_path: Path):
    """So that the result is never below it."""
    weights = weights_for(5, tmp_path / "other.pdparams")
    fitted = (*(option for option in TINY if option != "--scratch"), "--weights", weights)
    done = clsctl("train", *fitted, "-d", data, "--time", "24h", "--epochs", "1", "-o", "run")
    assert done.returncode == 0, done.stderr
    progress = read_progress(tmp_path / "run", "latest")
    assert progress is not None
    assert [figures["epoch"] for figures in progress.history] == [0, 1]


def test_a_time_that_is_over_is_not_spent_again(clsctl: Run, data: Path, tmp_path: Path):
    done = clsctl("train", *TINY, "-d", data, "--time", "1s", "--set", "epochs=3", "-o", "run")
    assert done.returncode == 0, done.stderr
    before = read_progress(tmp_path / "run", "latest")
    assert clsctl("train", "--resume", "run").returncode == 0
    assert read_progress(tmp_path / "run", "latest") == before
    assert clsctl("train", "--resume", "run", "--time", "1h").returncode == 0
    after = read_progress(tmp_path / "run", "latest")
    assert before is not None
    assert after is not None
    assert (before.epoch, after.epoch) == (1, 3)


@pytest.mark.parametrize(
    ("text", "minutes"), [("90s", 1.5), ("10m", 10), ("1.5h", 90), ("10", 10), (" 2 h ", 120)]
)
def test_times_are_read(text: str, minutes: float):
    assert parse_minutes(text) == pytest.approx(minutes)


@pytest.mark.parametrize("text", ["", "soon", "-1m", "0", "10 days", "1m30s"])
def test_what_is_no_time_is_refused(text: str):
    with pytest.raises(UsageError) as caught:
        parse_minutes(text)
    assert "--time 10m" in caught.value.hint
