from __future__ import annotations

import pytest

from clsctl.training.config.train_config import OptimizerConfig
from clsctl.training.optimization.schedule import scaled_rate, small_data_factor


@pytest.mark.parametrize(("scaling", "rate"), [("linear", 0.4), ("sqrt", 0.2)])
def test_the_rate_follows_the_images_in_a_step(scaling: str, rate: float):
    options = OptimizerConfig(
        base_learning_rate=0.1,
        base_batch_size=32,
        scaling=scaling,  # type: ignore[arg-type]
        accumulate=2,
    )
    assert scaled_rate(64, options) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("images", "few", "factor"), [(500, 2000, 0.5), (2000, 2000, 1), (9000, 2000, 1), (5, 0, 1)]
)
def test_few_images_lower_the_rate(images: int, few: int, factor: float):
    assert small_data_factor(images, few) == pytest.approx(factor)
