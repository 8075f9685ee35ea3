"""What a run's folder says of its best epoch."""

from __future__ import annotations

from pathlib import Path

import pytest

from clsctl.training.run_dir.checkpoint import TrainProgress
from clsctl.training.run_dir.files import best_summary


@pytest.mark.parametrize(
    ("best_by", "best", "balanced", "said"),
    [
        (
            "calibrated_loss",
            2,
            {},
            "epoch 2 is the best by its calibrated loss, 0.393 (epoch 1 0.411); epoch 1 was right "
            "more often, 85.60% (epoch 2 84.40%)",
        ),
        (
            "balanced_loss",
            2,
            {"balanced_accuracy": 0.7},
            "epoch 2 is the best by its balanced loss, 0.500 (epoch 1 0.600); epoch 1 was right "
            "more often, 80.00% (epoch 2 70.00%)",
        ),
        ("top1", 1, {}, ""),
        ("calibrated_loss", 1, {}, ""),
    ],
)
def test_why_an_epoch_is_the_best_is_said_where_another_was_right_more_often(
    tmp_path: Path, best_by: str, best: int, balanced: dict[str, float], said: str
):
    first = {"epoch": 1, "top1": 0.856, "calibrated_loss": 0.411, "balanced_loss": 0.6}
    second = {"epoch": 2, "top1": 0.844, "calibrated_loss": 0.393, "balanced_loss": 0.5}
    if balanced:
        first, second = {**first, "balanced_accuracy": 0.8}, {**second, **balanced}
    progress = TrainProgress(best_epoch=best, history=[first, second])
    (tmp_path / "best_model").mkdir()
    (tmp_path / "best_model" / "best_model.info.json").write_text("{}")
    assert best_summary(tmp_path, progress, best_by) == ([said] if said else [])
