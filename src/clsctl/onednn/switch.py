"""Runs a stock network on oneDNN for a while, by giving its layers other `forward` functions.

Nothing of the network changes: parameters, buffers and their names are its own, and outside of
`accelerated` it is what it was. So it is copied, saved, averaged and exported as before.

oneDNN wants channels last, Paddle's networks have them first. A network that says `channels_last`
is given its maps so, from its first layer to its last feature map; in any other one, each layer
turns its input, and its output back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from paddle import Tensor, nn

from clsctl.onednn.functions import to_channels_first, to_channels_last
from clsctl.onednn.layers import ANYWHERE, ON_MAPS, Apply

Forward = Callable[..., Any]

_WITHOUT_LAYOUT = (nn.Sequential, nn.LayerList, nn.LayerDict, nn.Identity, nn.Dropout)


@contextmanager
def accelerated(network: nn.Layer) -> Iterator[None]:
    """Let a network run on oneDNN; what it computes meanwhile can be differentiated later, too.

    Args:
        network: Float32, on the CPU.
    """
    switched = list(_replacements(network))
    for layer, name, replacement in switched:
        vars(layer)[name] = replacement
    try:
        yield
    finally:
        for layer, name, _ in switched:
            del vars(layer)[name]


def left_to_paddle(network: nn.Layer) -> list[str]:
    """The kinds of Paddle's layers in a network that oneDNN does not compute, sorted."""
    kinds = {type(layer) for layer in network.sublayers(include_self=True) if _is_unknown(layer)}
    return sorted(kind.__name__ for kind in kinds - {nn.Flatten})


# ---- parts -------------------------------------------------------------------------------------


def _replacements(network: nn.Layer) -> Iterator[tuple[nn.Layer, str, object]]:
    maps = _Maps()
    channels_last = getattr(network, "channels_last", False)
    if channels_last:
        yield network, "forward_features", maps.laid(network.forward_features, last=True)
    for layer in network.sublayers(include_self=True):
        if channels_last and hasattr(layer, "channel_axis"):
            yield layer, "channel_axis", -1
        if function := _function(layer):
            on_maps = type(layer) in ON_MAPS
            yield layer, "forward", maps.laid(function, last=True) if on_maps else function
        elif _is_unknown(layer) or not getattr(layer, "channels_last", True):
            yield layer, "forward", maps.laid(layer.forward, last=False)


def _function(layer: nn.Layer) -> Apply | None:
    make = ON_MAPS.get(type(layer)) or ANYWHERE.get(type(layer))
    return make(layer) if make else None


def _is_unknown(layer: nn.Layer) -> bool:
    """Whether it is one of Paddle's own that oneDNN does not compute."""
    kind = type(layer)
    paddles = kind.__module__.startswith("paddle.")
    return paddles and kind not in _WITHOUT_LAYOUT and _function(layer) is None


@dataclass
class _Maps:
    """How the network's maps lie in memory just now."""

    last: bool = False

    def laid(self, forward: Forward, last: bool) -> Forward:
        """The same with its map's channels last (or first), whichever way it comes and goes."""
        into, back = to_channels_first, to_channels_last
        if last:
            into, back = back, into

        def run(x: Tensor, *others: Any, **options: Any) -> Any:
            if self.last == last or x.ndim != 4:
                return forward(x, *others, **options)
            self.last = last
            try:
                y = forward(into(x), *others, **options)
            finally:
                self.last = not last
            return back(y) if y.ndim == 4 else y

        return run
