"""Load a trainable network for what a backend cannot do: look at features and gradients."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.errors import ModelError
from clsctl.values import ModelEntry

if TYPE_CHECKING:
    from clsctl.networks.base import Network


def load_network(entry: ModelEntry, weights: Path | None = None) -> Network:
    """Load a network in evaluation mode.

    Args:
        weights: A .pdparams file; the published weights where None.

    Raises:
        ModelError: A plugin's network is no `clsctl.networks.base.Network` (`E_NETWORK_PLAIN`), or
            there is no network or there are no weights.
    """
    from clsctl.networks.base import Network
    from clsctl.networks.build import build

    network = build(entry.name, num_classes=None, pretrained=weights or True)
    if not isinstance(network, Network):
        raise ModelError(
            f"the network of {entry.name} shows no features: it is no clsctl.networks.base.Network",
            code="E_NETWORK_PLAIN",
        )
    network.eval()
    return network
