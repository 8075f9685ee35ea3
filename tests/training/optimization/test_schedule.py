from __future__ import annotations

import pytest

from clsctl.training.config.train_config import OptimizerConfig
from clsctl.training.optimization.schedule import scaled_rate


@pytest.mark.parametrize(("scaling", "rate"), [("linear", 0.4), ("sqrt", 0.2)])
def test_the_rate_follows_the_images_in_a_step(scaling: str, rate: float):
    options = OptimizerConfig(
        base_learning_rate=0.1,
        base_batch_size=32,
        scaling=scaling,  # type: ignore[arg-type]
        accumulate=2,
    )
    assert scaled_rate(64, options) == pytest.approx(rate)
