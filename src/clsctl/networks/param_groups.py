"""Choose what an optimizer trains: frozen stages, and groups as the family's recipe has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clsctl.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from paddle import Tensor, nn

    from clsctl.networks.base import Network


def freeze_until(network: Network, stage: str) -> None:
    """Freeze every stage before the named one, for good.

    Their parameters get no gradient, and their layers stay in evaluation mode whatever mode the
    network is in: batch statistics are neither used nor updated, and nothing is dropped.

    Args:
        network: The network.
        stage: The first stage that is trained, one of `network.stage_prefixes()`.

    Raises:
        UsageError: There is no such stage (`E_STAGE_UNKNOWN`).
    """
    stages = list(network.stage_prefixes())
    if stage not in stages:
        raise UsageError(
            unknown_name("stage", stage, stages),
            code="E_STAGE_UNKNOWN",
            hint=f"stages of this network, in order: {', '.join(stages)}",
        )
    frozen = stages[: stages.index(stage)]
    for name, parameter in network.named_parameters():
        if _stage_of(name, network) in frozen:
            parameter.stop_gradient = True
    for name, layer in network.named_sublayers():
        if _stage_of(name, network) in frozen:
            # `train()` sets a mode on all layers at once and asks none; a hook has the last word.
            layer.register_forward_pre_hook(_evaluate)


def parameter_groups(
    network: Network, weight_decay: float, layer_decay: float | None = None
) -> list[dict[str, Any]]:
    """Group the trainable parameters, each one once, as the `parameters` of a Paddle optimizer.

    A group's `learning_rate` is what Paddle multiplies the optimizer's own with.

    Args:
        network: The network.
        weight_decay: For all but those that the family's recipe spares (`Network.decays_vectors`,
            `Network.no_weight_decay`), which get 0.
        layer_decay: Each stage learns this much slower than the stage after it, the head at the
            full rate: for fine-tuning transformers (Clark et al. 2020, arXiv:2003.10555). CLIP's
            stages are its blocks.
    """
    stages = list(network.stage_prefixes())
    depths = {stage: depth for depth, stage in enumerate(reversed(stages))}
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in network.named_parameters():
        if not parameter.stop_gradient:
            rate = (layer_decay or 1.0) ** depths[_stage_of(name, network)]
            decay = 0.0 if _spared(name, parameter, network) else weight_decay
            groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": parameters, "learning_rate": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def _spared(name: str, parameter: Tensor, network: Network) -> bool:
    vector = parameter.ndim == 1 and not network.decays_vectors
    return vector or name.rpartition(".")[2] in network.no_weight_decay


def _stage_of(name: str, network: Network) -> str:
    """The stage of a parameter or layer; "" for a layer that holds several stages."""
    for stage, prefixes in network.stage_prefixes().items():
        if any(f"{name}.".startswith(f"{prefix}.") for prefix in prefixes):
            return stage
    return ""


def _evaluate(layer: nn.Layer, inputs: Tensor) -> Tensor:
    layer.training = False
    return inputs
