from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest

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
