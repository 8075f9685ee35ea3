"""The learning rate of a run as a function of the step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clsctl.training.config.train_config import OptimizerConfig, ScheduleConfig


def global_batch(batch_size: int, options: OptimizerConfig) -> int:
    """Count the images whose gradients make one step."""
    return batch_size * options.accumulate


def scaled_rate(batch_size: int, options: OptimizerConfig) -> float:
    """Scale the recipe's rate to the images in a step.

    SGD's grows linearly with the batch (Goyal et al. 2017, arXiv:1706.02677), Adam's with its
    square root (Malladi et al. 2022, arXiv:2205.10287).
    """
    factor = global_batch(batch_size, options) / options.base_batch_size
    return options.base_learning_rate * (factor**0.5 if options.scaling == "sqrt" else factor)


def learning_rate(
    step: int, steps_per_epoch: int, epochs: int, peak: float, options: ScheduleConfig
) -> float:
    """Return one step's rate: linear from 0 to the peak, then half a cosine down to `min_rate`.

    Args:
        step: Steps done before, from the beginning of the run.
    """
    total = epochs * steps_per_epoch
    # A short run keeps at least half of its steps for the way down.
    warmup = min(round(options.warmup_epochs * steps_per_epoch), total // 2)
    if step < warmup:
        return peak * step / warmup
    fraction = (step - warmup) / max(total - warmup, 1)
    lowest = peak * options.min_rate
    return lowest + (peak - lowest) * 0.5 * (1 + math.cos(math.pi * fraction))
