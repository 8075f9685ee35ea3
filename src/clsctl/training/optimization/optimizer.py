"""The optimizer of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clsctl.networks.param_groups import parameter_groups

if TYPE_CHECKING:
    from paddle.optimizer import Optimizer

    from clsctl.networks.base import Network
    from clsctl.training.config.train_config import OptimizerConfig


def build_optimizer(network: Network, options: OptimizerConfig) -> Optimizer:
    """Build an optimizer over the parameters that are not frozen; each step sets its rate."""
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
