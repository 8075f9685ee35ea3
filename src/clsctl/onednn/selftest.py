"""Whether oneDNN gives on this machine what stock Paddle gives: values, gradients, statistics."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import paddle
from paddle import Tensor, nn

from clsctl.networks.base import SqueezeExcite
from clsctl.networks.build import seeded
from clsctl.onednn.switch import accelerated

TOLERANCE = 1e-5
"""Largest difference, relative to the largest number of a tensor."""

# Odd sizes, strides, groups and paddings: where machine code differs from one shape to the next.
SAMPLES: tuple[tuple[tuple[int, ...], Callable[[], nn.Layer]], ...] = (
    ((2, 3, 15, 13), lambda: nn.Conv2D(3, 20, 3, stride=2, padding=[0, 1, 0, 1])),
    ((2, 24, 9, 9), lambda: nn.Conv2D(24, 24, 5, padding=2, groups=24, bias_attr=False)),
    ((2, 16, 9, 9), lambda: nn.Conv2D(16, 32, 3, stride=2, padding=1, groups=2)),
    ((2, 48, 7, 7), lambda: nn.Conv2D(48, 16, 1, bias_attr=False)),
    ((2, 20, 9, 9), lambda: nn.BatchNorm2D(20)),
    ((2, 20, 9, 9), lambda: nn.MaxPool2D(3, stride=2, padding=1)),
    ((2, 20, 9, 9), lambda: nn.AvgPool2D(2, stride=2, padding="SAME")),
    ((2, 20, 9, 9), lambda: nn.AdaptiveAvgPool2D(1)),
    ((2, 16, 9, 7), lambda: SqueezeExcite(16, nn.Hardsigmoid)),
    ((4, 40), lambda: nn.Linear(40, 24)),
    ((2, 9, 20), lambda: nn.LayerNorm(20)),
    ((2, 20, 9), nn.ReLU),
    ((2, 20, 9), nn.ReLU6),
    ((2, 20, 9), nn.Sigmoid),
    ((2, 20, 9), nn.Silu),
    ((2, 20, 9), nn.GELU),
    ((2, 20, 9), nn.Hardswish),
    ((2, 20, 9), nn.Hardsigmoid),
)


def differing_layer() -> str | None:
    """The first kind of layer whose results differ, if any.

    Raises:
        OneDnnError: oneDNN is not there, or refused a call.
    """
    # The same numbers at every start: what holds on a machine holds again.
    with seeded(0), paddle.utils.unique_name.guard(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for shape, make in SAMPLES:
            layer = make()
            if not agrees(layer, paddle.randn(shape) * 3):
                return type(layer).__name__
    return None


def agrees(layer: nn.Layer, x: Tensor, tolerance: float = TOLERANCE) -> bool:
    """Whether a layer in training gives the same on oneDNN as on Paddle, forwards and backwards."""
    state = {name: value.clone() for name, value in layer.state_dict().items()}
    gradient = paddle.randn(layer(x).shape)
    layer.set_state_dict(state)
    expected = _results(layer, x, gradient)
    layer.set_state_dict(state)
    with accelerated(layer):
        found = _results(layer, x, gradient)
    return all(
        float((one - other).abs().max()) <= tolerance * float(one.abs().max())
        for one, other in zip(expected, found, strict=True)
    )


def _results(layer: nn.Layer, x: Tensor, gradient: Tensor) -> list[Tensor]:
    """The output, all gradients and the running statistics."""
    layer.clear_gradients()
    x = x.detach()
    x.stop_gradient = False
    y = layer(x)
    y.backward(gradient)
    gradients = [tensor.grad for tensor in (x, *layer.parameters())]
    state = [value.clone() for value in layer.state_dict().values()]
    return [y, *(gradient.clone() for gradient in gradients if gradient is not None), *state]
