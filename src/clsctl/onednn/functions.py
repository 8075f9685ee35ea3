"""oneDNN's primitives as functions on tensors that Paddle can differentiate.

Maps are [N, H, W, C]. Everything is float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import paddle
from paddle import Tensor
from paddle.autograd import PyLayer

from clsctl.onednn.depthwise import WideDepthwise
from clsctl.onednn.primitives import (
    BatchNorm,
    Convolution,
    Elementwise,
    Function,
    LayerNorm,
    Linear,
    Pooling,
    Scale,
    Window,
    prepared,
    relayout,
)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, groups: int) -> Tensor:
    """Convolve a map with weights [O, C / groups, kernel, kernel]."""
    if window.is_sparse_point:
        # oneDNN's weight gradient of these is wrong, or the process crashes, with AVX2 alone.
        down, right = window.stride
        x, window = x[:, ::down, ::right], window._replace(stride=(1, 1))
    what = (tuple(x.shape), tuple(weight.shape), window, groups)
    kind = WideDepthwise if WideDepthwise.suits(*what) else Convolution
    return _apply(_Weighted, x, weight, bias, prepared(kind, *what, bias is not None))


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A linear layer with weights [I, O]: [..., I] -> [..., O]."""
    rows, sizes = prod(x.shape[:-1]), weight.shape
    layer = prepared(Linear, rows, *sizes, bias is not None)
    y = _apply(_Weighted, x.reshape([rows, sizes[0]]), weight, bias, layer)
    return y.reshape([*x.shape[:-1], sizes[1]])


def batch_norm(
    x: Tensor,
    scale: Tensor,
    shift: Tensor,
    mean: Tensor,
    variance: Tensor,
    epsilon: float,
    given: bool,
) -> Tensor:
    """Normalise a map; the other tensors are [C].

    Args:
        mean, variance: What to normalise by where `given`; else those of the map are written there.
        epsilon: Added to the variance, which is the biased one.
    """
    layer = prepared(BatchNorm, tuple(x.shape), epsilon, given)
    return _apply(_Normalize, x, scale, shift, mean, variance, layer)


def layer_norm(x: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> Tensor:
    """Normalise each row of a tensor [..., C]; scale and shift are [C]."""
    rows = prod(x.shape[:-1])
    mean, variance = _empty([rows]), _empty([rows])
    layer = prepared(LayerNorm, rows, x.shape[-1], epsilon)
    return _apply(_Normalize, x, scale, shift, mean, variance, layer)


def pool(x: Tensor, window: Window, algorithm: int) -> Tensor:
    """Pool a map; `algorithm` is one of `Pooling`'s."""
    return _apply(_Pool, x, prepared(Pooling, tuple(x.shape), window, algorithm))


def scale_channels(x: Tensor, weights: Tensor) -> Tensor:
    """Multiply the channels of a map by weights of N * C numbers."""
    n, _, _, c = x.shape
    return _apply(_Scale, x, weights.reshape([n, 1, 1, c]))


def activate(x: Tensor, function: Function) -> Tensor:
    """Apply an activation to a tensor of any shape."""
    return _apply(_Activate, x, function)


def to_channels_last(x: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, H, W, C]."""
    return _apply(_Relayout, x, True)


def to_channels_first(x: Tensor) -> Tensor:
    """[N, H, W, C] -> [N, C, H, W]."""
    return _apply(_Relayout, x, False)


# ---- what Paddle differentiates ----------------------------------------------------------------


def _apply(function: Any, *arguments: object) -> Tensor:
    y: Tensor = function.apply(*arguments)
    return y


class _Weighted(PyLayer):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, layer: Convolution | Linear
    ) -> Tensor:
        x, y = _dense(x), _empty(layer.shape)
        layer.forward(x, weight, bias, y)
        ctx.save_for_backward(x, weight)
        ctx.layer, ctx.bias = layer, bias
        ctx.learnt = _learnt(x, weight, bias)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, weight = ctx.saved_tensor()
        dy, dx, dw, db = _dense(dy), None, None, None
        to_input, *to_weights = ctx.learnt
        if to_input:
            dx = paddle.empty_like(x)
            ctx.layer.to_input(dy, weight, dx)
        if any(to_weights):
            dw = paddle.empty_like(weight)
            db = None if ctx.bias is None else paddle.empty_like(ctx.bias)
            ctx.layer.to_weights(x, dy, dw, db)
        return _wanted(ctx.learnt, dx, dw, db)


class _Normalize(PyLayer):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        scale: Tensor,
        shift: Tensor,
        mean: Tensor,
        variance: Tensor,
        layer: BatchNorm | LayerNorm,
    ) -> Tensor:
        x = _dense(x)
        y = paddle.empty_like(x)
        layer.forward(x, scale, shift, mean, variance, y)
        ctx.save_for_backward(x, scale, mean, variance)
        ctx.layer, ctx.learnt = layer, _learnt(x, scale, shift)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, scale, mean, variance = ctx.saved_tensor()
        dx, d_scale, d_shift = (paddle.empty_like(like) for like in (x, scale, scale))
        ctx.layer.backward(x, mean, variance, _dense(dy), scale, dx, d_scale, d_shift)
        return (*_wanted(ctx.learnt, dx, d_scale, d_shift), None, None)


class _Pool(PyLayer):
    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: Pooling) -> Tensor:
        y = _empty(layer.shape)
        ctx.layer, ctx.shape = layer, x.shape
        ctx.workspace = [paddle.empty([layer.workspace], "uint8")] if layer.workspace else []
        layer.forward(_dense(x), y, *ctx.workspace)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        dx = _empty(ctx.shape)
        ctx.layer.backward(_dense(dy), dx, *ctx.workspace)
        return dx


class _Scale(PyLayer):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor) -> Tensor:
        x, weights = _dense(x), _dense(weights)
        y = paddle.empty_like(x)
        ctx.layer = prepared(Scale, tuple(x.shape))
        ctx.layer.by_channel(x, weights, y)
        ctx.save_for_backward(x, weights)
        ctx.learnt = _learnt(x, weights)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, weights = ctx.saved_tensor()
        dy, dx, d_weights = _dense(dy), paddle.empty_like(x), paddle.empty_like(weights)
        product = paddle.empty_like(x)
        ctx.layer.elementwise(x, dy, product)
        ctx.layer.mean(product, d_weights)
        ctx.layer.by_channel(dy, weights, dx)
        return _wanted(ctx.learnt, dx, d_weights.scale_(x.shape[1] * x.shape[2]))


class _Activate(PyLayer):
    @staticmethod
    def forward(ctx: Any, x: Tensor, function: Function) -> Tensor:
        x = _dense(x)
        y = paddle.empty_like(x)
        ctx.layer = prepared(Elementwise, int(x.size), function)
        ctx.layer.forward(x, y)
        ctx.save_for_backward(y if function.by_output else x)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        (kept,) = ctx.saved_tensor()
        dx = paddle.empty_like(kept)
        ctx.layer.backward(kept, _dense(dy), dx)
        return dx


class _Relayout(PyLayer):
    @staticmethod
    def forward(ctx: Any, x: Tensor, to_last: bool) -> Tensor:
        ctx.to_last = to_last
        return _relayout(x, to_last)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        return _relayout(dy, not ctx.to_last)


def _relayout(x: Tensor, to_last: bool) -> Tensor:
    n, *sizes = x.shape
    h, w, c = (*sizes[1:], sizes[0]) if to_last else sizes
    y = _empty((n, h, w, c) if to_last else (n, c, h, w))
    prepared(relayout, (n, h, w, c), to_last)(_dense(x), y)
    return y


def _learnt(*tensors: Tensor | None) -> list[bool]:
    """For each tensor that is there, whether it wants a gradient."""
    return [not tensor.stop_gradient for tensor in tensors if tensor is not None]


def _wanted(learnt: list[bool], *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
    """A gradient, or None, for each tensor that was there; Paddle takes no others."""
    return tuple(
        gradient if wants else None for wants, gradient in zip(learnt, gradients, strict=False)
    )


def _dense(x: Tensor) -> Tensor:
    """The tensor without gaps; its pointer says nothing about strides."""
    return x if x.is_contiguous() else x.contiguous()


def _empty(shape: Sequence[int]) -> Tensor:
    return paddle.empty(list(shape), "float32")
