"""The networks in the box: every name with its family, and the lightest of each family."""

from __future__ import annotations

from functools import cache
from math import inf
from typing import TYPE_CHECKING

import paddle
from golden_rules import NAMES, manifest

from clsctl.plugin.registry import default_registry

if TYPE_CHECKING:
    from clsctl.networks.base import Network

REGISTRY = default_registry()
FAMILIES = {
    name: found.plugin
    for name, found in sorted(REGISTRY.contributions("architectures").items())
    if REGISTRY.origins[found.plugin] == "built-in"
}
GMACS = {name: manifest(name)["gmacs"]["total"] for name in NAMES}
SMALL = sorted(
    min((n for n in FAMILIES if FAMILIES[n] == family), key=lambda n: GMACS.get(n, inf))
    for family in set(FAMILIES.values())
)


@cache
def build_lazy(name: str, num_classes: int = 1000) -> Network:
    """The network without memory for its weights, which even the largest builds in an instant."""
    with paddle.LazyGuard():
        return REGISTRY.get("architectures", name).build(num_classes=num_classes)


def built(name: str) -> Network:
    paddle.seed(7)
    return REGISTRY.get("architectures", name).build()
