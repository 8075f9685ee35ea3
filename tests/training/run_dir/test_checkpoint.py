from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import paddle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clsctl.errors import ModelError
from clsctl.training.run_dir import checkpoint
from clsctl.training.run_dir.checkpoint import LATEST, TrainProgress

PROGRESS = TrainProgress(
    epoch=2,
    step=3,
    loss_sum=1.5,
    loss_scale={"scale": 1024.0},
    best=0.5,
    best_epoch=1,
    history=[{"epoch": 1, "train_loss": 0.7, "top1": 0.5, "top5": 1.0}],
)


def test_what_was_written_is_read(tmp_path: Path):
    tensors = {"pdparams": {"fc.weight": paddle.ones([2, 3])}, "pdopt": {}}
    checkpoint.write(tmp_path, LATEST, tensors, PROGRESS)
    found = checkpoint.read(tmp_path)
    assert found is not None
    assert found.progress == PROGRESS == checkpoint.read_progress(tmp_path)
    # The epoch of a record stays a whole number, as run.json and train_result.json show it.
    assert [type(value) for value in found.progress.history[0].values()] == [int, *[float] * 3]
    assert (found.weights["fc.weight"] == 1).all()
    assert found.average is None


EPOCHS = st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1)


@given(EPOCHS, st.booleans())
def test_by_top1_the_best_epoch_is_of_those_right_most_often_the_one_with_the_least_loss(
    epochs: list[tuple[int, int, int]], begins_with_start: bool
):
    progress = TrainProgress()
    for number, (right, *losses) in enumerate(epochs, start=0 if begins_with_start else 1):
        loss, calibrated = map(float, losses)
        figures = {"top1": right / 3, "val_loss": loss, "calibrated_loss": calibrated}
        progress.note({"epoch": number, **figures}, "top1")
    best = min(progress.history, key=lambda past: (-past["top1"], past["val_loss"], -past["epoch"]))
    assert (progress.best_epoch, progress.best) == (best["epoch"], best["top1"])


@given(EPOCHS)
def test_by_a_loss_the_best_epoch_is_the_last_with_the_least(epochs: list[tuple[int, int, int]]):
    progress = TrainProgress()
    for number, (right, *losses) in enumerate(epochs):
        loss, calibrated = map(float, losses)
        figures = {"top1": right / 3, "val_loss": loss, "calibrated_loss": calibrated}
        progress.note({"epoch": number, **figures}, "calibrated_loss")
    best = min(progress.history, key=lambda past: (past["calibrated_loss"], -past["epoch"]))
    assert (progress.best_epoch, progress.best) == (best["epoch"], best["top1"])


def test_by_the_balanced_loss_the_balanced_accuracy_is_told():
    progress = TrainProgress()
    for epoch, top1, balanced, loss in ((0, 0.9, 0.5, 3.0), (1, 0.8, 0.6, 1.0), (2, 0.8, 0.7, 2.0)):
        figures = {"top1": top1, "balanced_accuracy": balanced, "balanced_loss": loss}
        progress.note({"epoch": epoch, "val_loss": 1 / loss, **figures}, "balanced_loss")
    assert (progress.best_epoch, progress.best) == (1, 0.6)
    earlier = TrainProgress(best_epoch=1, history=[{"epoch": 1, "top1": 0.6, "val_loss": 1.0}])
    figures = {"top1": 0.7, "val_loss": 2.0, "balanced_loss": 5.0}
    earlier.note({"epoch": 2, **figures}, "balanced_loss")
    assert earlier.best_epoch == 2


def test_a_checkpoint_of_clsctl_0_1_has_no_validation_loss():
    progress = replace(PROGRESS, history=[*PROGRESS.history])
    progress.note({"epoch": 2, "top1": 0.5, "val_loss": 9.0}, "top1")
    assert progress.best_epoch == 2
    progress.note({"epoch": 3, "top1": 0.4, "val_loss": 0.1}, "calibrated_loss")
    assert (progress.best_epoch, progress.best) == (2, 0.5)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"epoch": np.ones(1)}, "the entry 'position' is missing"),
        ({"position": np.ones(3)}, "the entry 'position' is missing"),
        ({"position": np.frombuffer(b"{", np.uint8)}, "Expecting property name"),
        ({"position": np.frombuffer(b"\xff\xfe", np.uint8)}, "can't decode byte 0xff"),
        ({"position": np.frombuffer(b'{"epoch": "x"}', np.uint8)}, "epoch: expected a whole numb"),
        ({"position": np.frombuffer(b'{"best": NaN}', np.uint8)}, "no number"),
        ({"position": np.frombuffer(b'{"epok": 1}', np.uint8)}, "unknown key 'epok'. Did you mean"),
        ({"position": np.frombuffer(b"[1]", np.uint8)}, "expected a table, not [1]"),
    ],
)
def test_a_damaged_state_is_one_error(tmp_path: Path, content: dict[str, object], reason: str):
    (tmp_path / LATEST).mkdir()
    path = tmp_path / LATEST / f"{LATEST}.pdstates"
    paddle.save(content, str(path))
    with pytest.raises(ModelError) as caught:
        checkpoint.read_progress(tmp_path)
    assert caught.value.code == "E_CHECKPOINT"
    assert caught.value.message.startswith(f"the checkpoint's '{path}' is damaged: ")
    assert reason in caught.value.message
