"""Which of Paddle's layers run on oneDNN, and how: a layer -> a function that does what it does.

A layer with options that oneDNN does not have gives None, and stays with stock Paddle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from paddle import Tensor, nn

from clsctl.networks.base import ScaleChannels
from clsctl.onednn import functions, primitives
from clsctl.onednn.primitives import Pair, Pooling, Window

Apply = Callable[..., Tensor]
Padding = int | str | list[Any] | tuple[Any, ...]


# ---- layers on maps [N, H, W, C] ---------------------------------------------------------------


def convolution(layer: Any) -> Apply | None:
    if layer._padding_mode != "zeros" or layer._data_format != "NCHW":
        return None
    weight, bias = layer.weight, layer.bias
    window = partial(window_over, weight.shape[2:], layer._stride, layer._dilation, layer._padding)
    return lambda x: functions.convolve(x, weight, bias, window(x.shape), layer._groups)


def batch_norm(layer: Any) -> Apply | None:
    if layer._data_format != "NCHW" or layer.weight is None or layer.bias is None:
        return None

    def apply(x: Tensor) -> Tensor:
        given = layer._use_global_stats or not layer.training
        running = (layer._mean, layer._variance)
        used = running if given else (running[0].clone(), running[1].clone())
        y = functions.batch_norm(x, layer.weight, layer.bias, *used, layer._epsilon, given)
        if not given:
            for average, value in zip(running, used, strict=True):
                average.scale_(layer._momentum).add_(value.scale(1 - layer._momentum))
        return y

    return apply


def max_pool(layer: Any) -> Apply | None:
    return _pool(layer, layer.ksize, Pooling.MAX, layer.return_mask)


def average_pool(layer: Any) -> Apply | None:
    algorithm = Pooling.MEAN if layer.exclusive else Pooling.MEAN_WITH_PADDING
    return _pool(layer, layer.ksize, algorithm, layer.divisor)


def _pool(layer: Any, kernel: Any, algorithm: int, unsupported: Any) -> Apply | None:
    if unsupported or layer.ceil_mode or layer.data_format != "NCHW":
        return None
    stride = kernel if layer.stride is None else layer.stride
    window = partial(window_over, _pair(kernel), _pair(stride), (1, 1), layer.padding)
    return lambda x: functions.pool(x, window(x.shape), algorithm)


def global_average_pool(layer: Any) -> Apply | None:
    if layer._output_size not in (1, [1, 1], (1, 1)) or layer._data_format != "NCHW":
        return None
    return lambda x: functions.pool(x, Window.whole(*x.shape[1:3]), Pooling.MEAN)


def window_over(
    kernel: Any, stride: Any, dilation: Any, padding: Padding, shape: list[int]
) -> Window:
    """The window of a layer's options over a map [N, H, W, C]."""
    size, step = _pair(kernel), _pair(stride)
    if padding == "SAME":
        # Paddle ignores the dilation then.
        return Window(size, step, (1, 1), *_same(shape[1:3], size, step))
    return Window(size, step, _pair(dilation), *_edges(padding))


def _pair(value: Any) -> Pair:
    vertical, horizontal = (value, value) if isinstance(value, int) else value
    return vertical, horizontal


def _edges(padding: Padding) -> tuple[Pair, Pair]:
    """Padding as Paddle takes it -> (top, left) and (bottom, right)."""
    match padding:
        case "VALID":
            return (0, 0), (0, 0)
        case int(every):
            return (every, every), (every, every)
        case [int(vertical), int(horizontal)]:
            return (vertical, horizontal), (vertical, horizontal)
        case [int(top), int(bottom), int(left), int(right)]:
            return (top, left), (bottom, right)
        case [_, _, [top, bottom], [left, right]]:
            return (top, left), (bottom, right)
    raise ValueError(f"unknown padding {padding}")


def _same(sizes: list[int], kernel: Pair, stride: Pair) -> tuple[Pair, Pair]:
    """As much padding as keeps the size, save for the stride; what is odd is at the end."""
    high, wide = (
        max((-(-size // step) - 1) * step + width - size, 0)
        for size, width, step in zip(sizes, kernel, stride, strict=True)
    )
    top, left = high // 2, wide // 2
    return (top, left), (high - top, wide - left)


ON_MAPS: Mapping[type[nn.Layer], Callable[[Any], Apply | None]] = {
    nn.Conv2D: convolution,
    nn.BatchNorm2D: batch_norm,
    nn.MaxPool2D: max_pool,
    nn.AvgPool2D: average_pool,
    nn.AdaptiveAvgPool2D: global_average_pool,
    ScaleChannels: lambda layer: functions.scale_channels,
}


# ---- layers on any tensor ----------------------------------------------------------------------


def linear(layer: Any) -> Apply:
    return lambda x: functions.linear(x, layer.weight, layer.bias)


def layer_norm(layer: Any) -> Apply | None:
    if len(layer._normalized_shape) > 1 or layer.weight is None or layer.bias is None:
        return None
    return lambda x: functions.layer_norm(x, layer.weight, layer.bias, layer._epsilon)


def gelu(layer: Any) -> Apply:
    function = primitives.GELU_TANH if layer._approximate else primitives.GELU
    return lambda x: functions.activate(x, function)


def activation(function: primitives.Function) -> Callable[[Any], Apply]:
    return lambda layer: lambda x: functions.activate(x, function)


ANYWHERE: Mapping[type[nn.Layer], Callable[[Any], Apply | None]] = {
    nn.Linear: linear,
    nn.LayerNorm: layer_norm,
    nn.GELU: gelu,
    nn.ReLU: activation(primitives.RELU),
    nn.ReLU6: activation(primitives.RELU6),
    nn.Sigmoid: activation(primitives.SIGMOID),
    nn.Silu: activation(primitives.SWISH),
    nn.Swish: activation(primitives.SWISH),
    nn.Hardswish: activation(primitives.HARDSWISH),
    nn.Hardsigmoid: activation(primitives.HARDSIGMOID),
}
