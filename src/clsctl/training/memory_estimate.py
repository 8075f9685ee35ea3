"""Estimate what a run takes of memory and disk from its network, before anything is computed."""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from typing import Any

from clsctl.networks.build import build_lazy
from clsctl.networks.flops import activations, parameters
from clsctl.networks.param_groups import freeze_until
from clsctl.plugin.registry import default_registry
from clsctl.training.config.train_config import TrainConfig

FLOAT_BYTES = 4

# Numbers that an optimizer keeps for each one that it changes.
STATES = {"Momentum": 1, "AdamW": 2}


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes that a run takes.

    Attributes:
        checkpoint: One checkpoint: weights, their average, and the optimizer's state.
        model: The exported model.
        fixed: Memory for weights, average, gradients and the optimizer's state.
        image: Memory for each image of a batch, at most: all that the network makes of it. Of five
            families measured, training keeps a third of that to all of it.
    """

    checkpoint: int
    model: int
    fixed: int
    image: int

    def memory(self, batch_size: int) -> int:
        return self.fixed + batch_size * self.image


def estimate_memory(config: TrainConfig, num_classes: int, size: tuple[int, int]) -> MemoryEstimate:
    """Estimate what a configuration takes.

    Args:
        size: Height and width of the network's input, in pixels.
    """
    build = default_registry().get("architectures", config.model).build
    network: Any = build_lazy(functools.partial(build, num_classes=num_classes))
    if config.freeze_until:
        freeze_until(network, config.freeze_until)
    weights = FLOAT_BYTES * parameters(network)
    learnt = FLOAT_BYTES * parameters(network, trainable=True)
    checkpoint = weights * (2 if config.ema else 1) + learnt * STATES[config.optimizer.name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about tracing, which is over in an instant
        image = FLOAT_BYTES * activations(network, (3, *size))
    return MemoryEstimate(checkpoint, weights, checkpoint + learnt, image)
