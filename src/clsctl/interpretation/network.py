"""Load a trainable network for what a backend cannot do: look at features and gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsctl.errors import ModelError
from clsctl.networks.trained_weights import TrainedModel

if TYPE_CHECKING:
    from clsctl.networks.base import Network


def load_network(model: TrainedModel) -> Network:
    """Load a network in evaluation mode.

    Raises:
        ModelError: A plugin's network is no `clsctl.networks.base.Network` (`E_NETWORK_PLAIN`), or
            the weights do not fit.
    """
    from clsctl.networks.base import Network

    network = model.build_network()
    if not isinstance(network, Network):
        raise ModelError(
            f"the network of {model.name} shows no features: it is no clsctl.networks.base.Network",
            code="E_NETWORK_PLAIN",
        )
    return network
