from __future__ import annotations

import pytest

from clsctl.training.config import OptimizerConfig
from clsctl.training.optim import scaled_rate


@pytest.mark.parametrize(
    ("scaling", "images", "rate"),
    [("linear", 2000, 0.4), ("linear", 9000, 0.4), ("sqrt", 2000, 0.2), ("sqrt", 500, 0.1)],
)
def test_the_rate_follows_the_batch_and_falls_with_few_images(
    scaling: str, images: int, rate: float
):
    options = OptimizerConfig(
        base_learning_rate=0.1,
        base_batch_size=32,
        scaling=scaling,  # type: ignore[arg-type]
        full_images=2000,
        accumulate=2,
    )
    assert scaled_rate(64, images, options) == pytest.approx(rate)
