"""Find, copy and put back the running statistics of a network's batch normalisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from paddle import nn


def batch_norms(network: nn.Layer) -> list[Any]:
    """List the layers that keep running statistics."""
    from paddle import nn

    kinds = (nn.BatchNorm1D, nn.BatchNorm2D)
    return [layer for layer in network.sublayers() if isinstance(layer, kinds)]


def statistics(network: nn.Layer) -> dict[str, NDArray[np.float32]]:
    """Copy the running statistics of every batch normalisation, by name of the buffer."""
    ours = {id(t) for layer in batch_norms(network) for t in (layer._mean, layer._variance)}
    state = network.state_dict()
    return {name: value.numpy().copy() for name, value in state.items() if id(value) in ours}


def put(values: Mapping[str, NDArray[np.float32]], network: nn.Layer) -> None:
    """Give tensors of a network other values, by name."""
    state = network.state_dict()
    for name, value in values.items():
        state[name].set_value(value)
