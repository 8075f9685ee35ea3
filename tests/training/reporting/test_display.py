"""What a person sees of a run, and what train.log and the callbacks keep of it."""

from __future__ import annotations

import functools
import itertools
import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fixtures import NO_CURVES
from PIL import Image

from clsctl.plugin import EpochInfo, StepInfo
from clsctl.training.reporting.display import LineDisplay, LiveDisplay

SCRIPT = """
import sys
from pathlib import Path
from clsctl.plugin import EpochInfo, StepInfo
from clsctl.training.reporting.display import open_display
display = open_display(Path(sys.argv[1]) / "train.log", 2)
for epoch in (1, 2):
    display.epoch_started(epoch, 20)
    for step in range(1, 21):
        display.step(StepInfo(epoch, step, 2 / step, 7e-4 * step / 20, 123.46, 3725.4))
    top1 = 1 - 0.1 * epoch
    display.epoch_ended(EpochInfo(epoch, 0.5, 0.7, top1, 0.995, 0.9, 38.2, None, 1, 0.65))
display.close()
"""
NO_DRAWING = {"CLSCTL_DISABLED_PLUGINS": NO_CURVES}
FIRST = "epoch 1/2  step 2/20  loss 1.0000  learning rate 7e-05  123.5 images/s  1:02:05 left"
LAST = (
    "epoch 2/2  loss 0.5000  validation loss 0.7000 (calibrated 0.6500)  "
    "top-1 80.00%  top-5 99.50%  best 90.00%  0:00:38"
)


def watch(folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    environment = {**os.environ, **NO_DRAWING, **env}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def without_times(text: str) -> list[str]:
    lines = text.splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ", line) for line in lines)
    return [line[21:] for line in lines]


def test_lines_where_nobody_sits_at_a_terminal(tmp_path):
    done = watch(tmp_path)
    lines = without_times(done.stderr)
    assert done.stdout == ""
    assert len(lines) == 1 + 2
    assert (lines[0], lines[-1]) == (FIRST, LAST)
    assert without_times((tmp_path / "train.log").read_text()) == lines


def test_steps_are_logged_ten_times_an_epoch_and_not_more_often_than_one_can_read(monkeypatch):
    """Steps of a twentieth of an epoch that take 2, then 20 seconds."""
    shown: list[str] = []
    clock = itertools.accumulate(itertools.chain([0], [2] * 20, [20] * 19))
    monkeypatch.setattr(time, "monotonic", functools.partial(next, clock))
    display = LineDisplay(shown.append, 2)
    for epoch in (1, 2):
        display.epoch_started(epoch, 20)
        for step in range(1, 21):
            display.step(StepInfo(epoch, step, 2.0, 1e-4, 100.0, 60.0))
    steps = re.findall(r"epoch (\d)/2  step (\d+)/20", "\n".join(shown))
    assert steps == [("1", step) for step in ("2", "8", "14", "20")] + [
        ("2", str(step)) for step in range(2, 21, 2)
    ]


def test_the_start_has_figures_but_no_loss(capsys):
    shown: list[str] = []
    for display in (LineDisplay(shown.append, 2), LiveDisplay(2)):
        display.epoch_ended(EpochInfo(0, None, 0.7, 0.5, 0.9, 0.5, 4.0))
    assert without_times(shown[0]) == [
        "epoch 0/2  before training  validation loss 0.7000  "
        "top-1 50.00%  top-5 90.00%  best 50.00%  0:00:04"
    ]
    header, row = capsys.readouterr().err.splitlines()
    assert row == "    0/2             0.7000               50.00%   90.00%  0:00:04  new best"
    assert len(row) == len(header) + len("  new best")


def test_top_5_is_not_shown_where_there_are_five_classes_or_fewer(capsys):
    shown: list[str] = []
    for display in (LineDisplay(shown.append, 2), LiveDisplay(2)):
        display.epoch_ended(EpochInfo(1, 0.4, 0.7, 0.5, None, 0.5, 4.0, best_epoch=1))
    assert without_times(shown[0]) == [
        "epoch 1/2  loss 0.4000  validation loss 0.7000  top-1 50.00%  best 50.00%  0:00:04"
    ]
    header, row = capsys.readouterr().err.splitlines()
    assert "top-5" not in header
    assert row == "    1/2   0.4000    0.7000               50.00%  0:00:04  new best"


def test_the_balanced_accuracy_is_shown_where_classes_count_alike(capsys):
    shown: list[str] = []
    for display in (LineDisplay(shown.append, 2), LiveDisplay(2)):
        display.epoch_ended(EpochInfo(1, 0.4, 0.7, 0.5, None, 0.75, 4.0, 0.75, best_epoch=1))
    assert without_times(shown[0]) == [
        "epoch 1/2  loss 0.4000  validation loss 0.7000  top-1 50.00%  balanced 75.00%  "
        "best 75.00%  0:00:04"
    ]
    assert capsys.readouterr().err.splitlines() == [
        "  epoch     loss  val loss    top-1  balanced     time",
        "    1/2   0.4000    0.7000   50.00%    75.00%  0:00:04  new best",
    ]


def test_the_log_grows_when_a_run_goes_on(tmp_path):
    (tmp_path / "train.log").write_text("before\n")
    watch(tmp_path)
    assert (tmp_path / "train.log").read_text().splitlines()[0] == "before"


def test_a_table_on_a_terminal(tmp_path):
    ours, theirs = pty.openpty()
    environment = {**os.environ, **NO_DRAWING, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    process = subprocess.Popen(command, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # what Linux raises where the other end is closed
        pass
    os.close(ours)
    assert process.wait(60) == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r", "\n")
    lines = [line.rstrip() for line in plain.splitlines()]
    assert "  epoch     loss  val loss  calibrated    top-1    top-5     time" in lines
    assert "    1/2   0.5000    0.7000      0.6500   90.00%   99.50%  0:00:38  new best" in lines
    assert "    2/2   0.5000    0.7000      0.6500   80.00%   99.50%  0:00:38" in lines
    assert len(without_times((tmp_path / "train.log").read_text())) == 1 + 2


def test_every_step_and_epoch_is_kept_for_programs(tmp_path):
    watch(tmp_path)
    records = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert len(records) == 2 * (20 + 1)
    assert records[0] == {
        "epoch": 1,
        "batch": 1,
        "loss": 2.0,
        "learning_rate": 7e-4 / 20,
        "images_per_s": 123.46,
        "eta_s": 3725.4,
    }
    last = {"epoch": 2, "train_loss": 0.5, "val_loss": 0.7, "top1": 0.8, "top5": 0.995}
    best = {"best": 0.9, "best_epoch": 1, "balanced_accuracy": None, "calibrated_loss": 0.65}
    assert records[-1] == {**last, "seconds": 38.2, **best}
    assert (tmp_path / "results.csv").read_text().splitlines() == [
        "epoch,train_loss,val_loss,top1,top5,best,seconds,balanced_accuracy,best_epoch,"
        "calibrated_loss",
        "1,0.5,0.7,0.9,0.995,0.9,38.2,,1,0.65",
        "2,0.5,0.7,0.8,0.995,0.9,38.2,,1,0.65",
    ]


def test_a_run_that_is_made_again_replaces_its_records(tmp_path):
    watch(tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in ("metrics.jsonl", "results.csv")}
    watch(tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_curves_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    watch(tmp_path, CLSCTL_DISABLED_PLUGINS="")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.format == "PNG"
        assert image.width > 3 * image.height > 900


def test_tensorboard_reads_each_step_once_even_if_it_was_made_twice(tmp_path):
    package = "tensorboard.backend.event_processing.event_accumulator"
    accumulators = pytest.importorskip(package)
    for _ in range(2):
        watch(tmp_path)
    events = accumulators.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("loss")] == list(range(1, 41))
    top1 = [(event.step, round(event.value, 4)) for event in events.Scalars("top1")]
    assert top1 == [(20, 0.9), (40, 0.8)]


def test_visualdl_gets_every_step(tmp_path):
    visualdl = pytest.importorskip("visualdl")
    watch(tmp_path)
    (file,) = (tmp_path / "vdl").iterdir()
    reader = visualdl.LogReader(logdir=str(tmp_path / "vdl"), file_path=str(file))
    assert [record.id for record in reader.get_data("scalar", "loss")] == list(range(1, 41))


def test_a_strangers_callback_that_fails_is_one_line(tmp_path):
    site = tmp_path / "site"
    info = site / "watcher-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: watcher\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[clsctl]\nwatcher = watcher\n")
    (site / "watcher.py").write_text(
        "from clsctl.plugin import hookimpl\n"
        "from clsctl.plugin import TrainCallback\n"
        "class Watcher:\n"
        "    def __init__(self, run): self.log = run / 'watched.txt'\n"
        "    def epoch_started(self, epoch, batches): self.log.write_text(f'{epoch} {batches}')\n"
        "    def step(self, info): raise RuntimeError(f'no step {info.batch}')\n"
        "@hookimpl\n"
        "def clsctl_train_callbacks():\n"
        "    return [TrainCallback('watcher', 'Watches.', Watcher)]\n"
    )
    done = watch(tmp_path, PYTHONPATH=str(site))
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning")]
    assert warnings == ["warning: train callback 'watcher' failed: no step 1"]
    assert (tmp_path / "watched.txt").read_text() == "1 20"
    assert (tmp_path / "results.csv").read_text().count("\n") == 3
