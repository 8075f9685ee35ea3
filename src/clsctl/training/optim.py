"""The optimizer of a run, and its learning rate as a function of the step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from clsctl.networks.param_groups import parameter_groups

if TYPE_CHECKING:
    from paddle.optimizer import Optimizer

    from clsctl.networks.base import Network
    from clsctl.training.config.train_config import OptimizerConfig, ScheduleConfig


def build_optimizer(network: Network, options: OptimizerConfig) -> Optimizer:
    """An optimizer over the parameters that are not frozen; its rate is set before each step."""
    import paddle

    clip = paddle.nn.ClipGradByGlobalNorm(options.clip_norm) if options.clip_norm else None
    groups = parameter_groups(network, options.weight_decay, options.layer_decay)
    common: dict[str, Any] = {
        "learning_rate": 0.0,
        "parameters": [
            part for group in groups for part in _split_head(group, network, options.head_rate)
        ],
        "grad_clip": clip,
    }
    if options.name == "AdamW":
        return paddle.optimizer.AdamW(**common)
    return paddle.optimizer.Momentum(momentum=options.momentum, **common)


def global_batch(batch_size: int, options: OptimizerConfig) -> int:
    """Images whose gradients make one step."""
    return batch_size * options.accumulate


def scaled_rate(batch_size: int, options: OptimizerConfig) -> float:
    """The recipe's rate for the images in a step.

    SGD's grows linearly with the batch (Goyal et al. 2017, arXiv:1706.02677), Adam's with its
    square root (Malladi et al. 2022, arXiv:2205.10287).
    """
    factor = global_batch(batch_size, options) / options.base_batch_size
    return options.base_learning_rate * (factor**0.5 if options.scaling == "sqrt" else factor)


def scarcity(images: int, few: int) -> float:
    """What the rate is multiplied by where there are fewer than `few` images to train with.

    They make too few steps to mend what a high rate does to good features. That it shall fall with
    their root is an observation on few datasets, no more.
    """
    return (images / few) ** 0.5 if images < few else 1.0


def learning_rate(
    step: int, steps_per_epoch: int, epochs: int, peak: float, options: ScheduleConfig
) -> float:
    """The rate of one step: linear from 0 to the peak, then half a cosine down to `min_rate`.

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


def _split_head(group: dict[str, Any], network: Network, head_rate: float) -> list[dict[str, Any]]:
    """The group as it is, and the part of it that belongs to the classifier, faster."""
    prefix = f"{network.head_name}."
    head = {id(p) for name, p in network.named_parameters() if name.startswith(prefix)}
    fast = [parameter for parameter in group["params"] if id(parameter) in head]
    slow = [parameter for parameter in group["params"] if id(parameter) not in head]
    parts = [
        {**group, "params": slow},
        {**group, "params": fast, "learning_rate": group["learning_rate"] * head_rate},
    ]
    return [part for part in parts if part["params"]]
