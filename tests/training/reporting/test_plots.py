"""Training curves are drawn from the first epoch on."""

from __future__ import annotations

import pytest
from pngs import size_of_drawn_png

from clsctl.plugin import EpochInfo, StepInfo
from clsctl.training.reporting.plots import plot_training_curves


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("top5", [0.9, None], ids=["many_classes", "few_classes"])
def test_curves_from_the_first_epoch_on(tmp_path, top5: float | None):
    for count in (1, 3):
        start = EpochInfo(0, None, 1.5, 0.3, top5, 0.3, 1.0)
        epochs = [EpochInfo(n, 1 / n, 1.0, 0.5, top5, 0.5, 1.0) for n in range(1, count + 1)]
        steps = [StepInfo(epoch.epoch, 1, 1.0, 0.1, 1.0, 1.0) for epoch in epochs]
        plot_training_curves(steps, [start, *epochs], tmp_path / "curves.png")
        assert size_of_drawn_png(tmp_path / "curves.png")[0] > 1000
