"""Convolutions, linear layers, batch normalisation, pooling and activations by oneDNN.

Maps are [N, H, W, C], in shape as in memory. Each class is made for one shape, and making one
compiles machine code, so they are kept: `prepared(Class, ...)`. Their methods take contiguous
float32 tensors and write into the ones given last.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from clsctl.onednn.onednn import (
    FLOAT_BYTES,
    Arg,
    Handle,
    Primitive,
    Prop,
    any_layout,
    byte_size,
    channels_last,
    describe,
    equal,
    layout,
    numbers,
    reorder,
)

if TYPE_CHECKING:
    from paddle import Tensor

T = TypeVar("T")
Pair = tuple[int, int]
Shape = tuple[int, ...]

DIRECT_CONVOLUTION = 1
_MULTIPLY = 0x1FFF1
_GIVEN_STATISTICS, _SCALE_AND_SHIFT = 1, 2 | 4


@functools.cache
def prepared(make: Callable[..., T], *arguments: object) -> T:
    """What `make` gives for the arguments, made once."""
    return make(*arguments)


class Window(NamedTuple):
    """How a kernel moves over a map; each pair is (vertical, horizontal)."""

    kernel: Pair
    stride: Pair
    dilation: Pair
    before: Pair
    after: Pair

    @classmethod
    def whole(cls, height: int, width: int) -> Window:
        """The one that covers a map."""
        return cls((height, width), (1, 1), (1, 1), (0, 0), (0, 0))

    @property
    def is_sparse_point(self) -> bool:
        """Whether it looks at single places, and leaves out some between them."""
        padded = any(self.before + self.after)
        return self.kernel == (1, 1) and self.stride != (1, 1) and not padded

    def over(self, height: int, width: int) -> Pair:
        """The size of the map that comes out."""
        high, wide = (
            (size + before + after - dilation * (kernel - 1) - 1) // stride + 1
            for size, kernel, stride, dilation, before, after in zip(
                (height, width), *self, strict=True
            )
        )
        return high, wide

    def arguments(self) -> list[object]:
        """Stride, dilation and padding as oneDNN takes them; its dilation counts from 0."""
        dilation = [step - 1 for step in self.dilation]
        return [numbers(pair) for pair in (self.stride, dilation, self.before, self.after)]


# ---- layers with weights -----------------------------------------------------------------------


class Weighted:
    """What has weights; each of its three passes wants them in a layout of its own.

    Args:
        passes: Descriptors of the forward pass, and of those back to the input and the weights.
        plain: How Paddle keeps the weights in memory.
        bias: Whether there is one.
    """

    def __init__(self, passes: Sequence[Handle], plain: Handle, bias: bool) -> None:
        forward, to_input, to_weights = passes
        self._forward = Primitive(
            forward, Arg.SRC, Arg.WEIGHTS, Arg.DST, *([Arg.BIAS] if bias else [])
        )
        self._to_input = Primitive(to_input, Arg.DIFF_DST, Arg.WEIGHTS, Arg.DIFF_SRC)
        self._to_weights = Primitive(
            to_weights,
            *(Arg.SRC, Arg.DIFF_DST, Arg.DIFF_WEIGHTS),
            *([Arg.DIFF_BIAS] if bias else []),
        )
        self._pack_forward = _Packing(plain, self._forward.layout(Arg.WEIGHTS))
        self._pack_to_input = _Packing(plain, self._to_input.layout(Arg.WEIGHTS))
        packed = self._to_weights.layout(Arg.DIFF_WEIGHTS)
        self._packed_size = byte_size(packed) // FLOAT_BYTES
        self._unpack = None if equal(packed, plain) else reorder(packed, plain)

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor) -> None:
        self._forward(x, self._pack_forward(weight), y, *([] if bias is None else [bias]))

    def to_input(self, dy: Tensor, weight: Tensor, dx: Tensor) -> None:
        self._to_input(dy, self._pack_to_input(weight), dx)

    def to_weights(self, x: Tensor, dy: Tensor, weight: Tensor, bias: Tensor | None) -> None:
        """Write the gradients of the weights and, where there is one, of the bias."""
        packed = weight if self._unpack is None else row(self._packed_size)
        self._to_weights(x, dy, packed, *([] if bias is None else [bias]))
        if self._unpack is not None:
            self._unpack(packed, weight)


class Convolution(Weighted):
    """A convolution of any stride, padding, dilation and number of groups.

    Args:
        source: Shape of the map, [N, H, W, C].
        weight: Shape of the weights, [O, C / groups, kernel, kernel].
        window: How the kernel moves.
        groups: Parts of the channels that are convolved apart.
        bias: Whether there is one.
    """

    def __init__(
        self, source: Shape, weight: Shape, window: Window, groups: int, bias: bool
    ) -> None:
        n, h, w, _ = source
        out_channels, *kernel = weight
        self.shape = (n, *window.over(h, w), out_channels)
        sizes = weight if groups == 1 else (groups, out_channels // groups, *kernel)
        x, y = channels_last(source), channels_last(self.shape)
        wanted, biases = any_layout(sizes), layout([out_channels]) if bias else None
        where = window.arguments()
        forward = describe(
            "convolution_forward", Prop.FORWARD, DIRECT_CONVOLUTION, x, wanted, biases, y, *where
        )
        to_input = describe(
            "convolution_backward_data", DIRECT_CONVOLUTION, x, wanted, y, *where, hint=forward
        )
        to_weights = describe(
            "convolution_backward_weights",
            *(DIRECT_CONVOLUTION, x, wanted, biases, y, *where),
            hint=forward,
        )
        super().__init__((forward, to_input, to_weights), layout(sizes), bias)


class Linear(Weighted):
    """A linear layer on rows [M, I], with weights [I, O]."""

    def __init__(self, rows: int, in_features: int, out_features: int, bias: bool) -> None:
        self.shape = (rows, out_features)
        sizes = (out_features, in_features)
        x, y = layout((rows, in_features)), layout(self.shape)
        wanted, biases = any_layout(sizes), layout([out_features]) if bias else None
        forward = describe("inner_product_forward", Prop.FORWARD, x, wanted, biases, y)
        to_input = describe("inner_product_backward_data", x, wanted, y, hint=forward)
        to_weights = describe("inner_product_backward_weights", x, wanted, biases, y, hint=forward)
        passes = (forward, to_input, to_weights)
        super().__init__(passes, layout(sizes, (1, out_features)), bias)


class _Packing:
    """Brings weights into the layout that a primitive wants."""

    def __init__(self, plain: Handle, wanted: Handle) -> None:
        self._size = byte_size(wanted) // FLOAT_BYTES
        self._reorder = None if equal(plain, wanted) else reorder(plain, wanted)

    def __call__(self, weight: Tensor) -> Tensor:
        if self._reorder is None:
            return weight
        packed = row(self._size)
        self._reorder(weight, packed)
        return packed


def row(size: int) -> Tensor:
    """Memory for so many numbers."""
    import paddle

    return paddle.empty([size], "float32")


# ---- normalisation -----------------------------------------------------------------------------

_NORMALIZE = (Arg.SRC, Arg.SCALE, Arg.SHIFT, Arg.MEAN, Arg.VARIANCE, Arg.DST)
_TO_INPUT = (Arg.SRC, Arg.MEAN, Arg.VARIANCE, Arg.DIFF_DST)
_TO_SCALE = (Arg.DIFF_SRC, Arg.DIFF_SCALE, Arg.DIFF_SHIFT)


class BatchNorm:
    """Batch normalisation of maps.

    Args:
        source: Shape of the map, [N, H, W, C].
        epsilon: Added to the variance, which is the biased one.
        given: Whether mean and variance are inputs, or else the map's own and outputs.
    """

    def __init__(self, source: Shape, epsilon: float, given: bool) -> None:
        x = channels_last(source)
        options = (epsilon, _SCALE_AND_SHIFT | (_GIVEN_STATISTICS if given else 0))
        forward = describe("batch_normalization_forward", Prop.FORWARD, x, x, *options)
        backward = describe(
            "batch_normalization_backward", Prop.BACKWARD, x, x, x, *options, hint=forward
        )
        self.forward = Primitive(forward, *_NORMALIZE)
        self.backward = Primitive(backward, *_TO_INPUT, Arg.SCALE, *_TO_SCALE)


class LayerNorm:
    """Layer normalisation of rows [M, C], whose means and variances [M] are outputs."""

    def __init__(self, rows: int, size: int, epsilon: float) -> None:
        x, statistics = layout((rows, size)), layout([rows])
        options = (statistics, epsilon, _SCALE_AND_SHIFT)
        forward = describe("layer_normalization_forward", Prop.FORWARD, x, x, *options)
        backward = describe(
            "layer_normalization_backward", Prop.BACKWARD, x, x, x, *options, hint=forward
        )
        self.forward = Primitive(forward, *_NORMALIZE)
        self._backward = Primitive(backward, *_TO_INPUT, Arg.SCALE, Arg.SHIFT, *_TO_SCALE)

    def backward(
        self, x: Tensor, mean: Tensor, variance: Tensor, dy: Tensor, scale: Tensor, *out: Tensor
    ) -> None:
        """Write the gradients of input, scale and shift."""
        # oneDNN wants to be given the shift as well, which no gradient depends on.
        self._backward(x, mean, variance, dy, scale, scale, *out)


# ---- layers on maps ----------------------------------------------------------------------------


class Pooling:
    """Takes the largest value or the mean inside a moving window.

    Attributes:
        forward: SRC and WORKSPACE -> DST; only a maximum has a workspace.
        workspace: Its size in bytes.
    """

    MAX, MEAN_WITH_PADDING, MEAN = 0x1FF, 0x2FF, 0x3FF

    def __init__(self, source: Shape, window: Window, algorithm: int) -> None:
        n, h, w, c = source
        self.shape = (n, *window.over(h, w), c)
        x, y = channels_last(source), channels_last(self.shape)
        stride, dilation, before, after = window.arguments()
        where = (stride, numbers(window.kernel), dilation, before, after)
        forward = describe("pooling_forward", Prop.FORWARD, algorithm, x, y, *where)
        backward = describe("pooling_backward", algorithm, x, y, *where, hint=forward)
        extra = [Arg.WORKSPACE] if algorithm == self.MAX else []
        self.forward = Primitive(forward, Arg.SRC, Arg.DST, *extra)
        self.backward = Primitive(backward, Arg.DIFF_DST, Arg.DIFF_SRC, *extra)
        self.workspace = byte_size(self.forward.layout(Arg.WORKSPACE)) if extra else 0


class Scale:
    """Multiplies each image's channels by weights [N, 1, 1, C].

    Attributes:
        by_channel: SRC, a map, and SRC_1, the weights -> DST.
        elementwise: Two maps -> their product; its `mean` is the weights' gradient, but for the
            map's size.
    """

    def __init__(self, source: Shape) -> None:
        n, h, w, c = source
        x, weights = channels_last(source), channels_last((n, 1, 1, c))
        roles = (Arg.SRC, Arg.SRC_1, Arg.DST)
        self.by_channel = Primitive(describe("binary", _MULTIPLY, x, weights, x), *roles)
        self.elementwise = Primitive(describe("binary", _MULTIPLY, x, x, x), *roles)
        self.mean = Pooling(source, Window.whole(h, w), Pooling.MEAN).forward


class Elementwise:
    """An activation on `size` numbers; backwards, from its input or its output and DIFF_DST."""

    def __init__(self, size: int, function: Function) -> None:
        x = layout([size])
        algorithm, alpha, beta, by_output = function
        options = (alpha, beta)
        forward = describe("eltwise_forward", Prop.FORWARD, algorithm, x, x, *options)
        backward = describe("eltwise_backward", algorithm, x, x, x, *options, hint=forward)
        self.forward = Primitive(forward, Arg.SRC, Arg.DST)
        kept = Arg.DST if by_output else Arg.SRC
        self.backward = Primitive(backward, kept, Arg.DIFF_DST, Arg.DIFF_SRC)


class Function(NamedTuple):
    """An activation: oneDNN's number of it, its two parameters, and what its backward pass needs.

    Where the output is enough the input need not be kept.
    """

    algorithm: int
    alpha: float = 0.0
    beta: float = 0.0
    by_output: bool = False


RELU = Function(0x100, by_output=True)
SIGMOID = Function(0x104, by_output=True)
RELU6 = Function(0x106, 0.0, 6.0, by_output=True)
SWISH = Function(0x2C, 1.0)
GELU = Function(0x31)
GELU_TANH = Function(0x2B)
HARDSWISH = Function(0x34, 1 / 6, 0.5)
HARDSIGMOID = Function(0x28, 1 / 6, 0.5)


def relayout(source: Shape, to_last: bool) -> Primitive:
    """Brings a map, given as [N, H, W, C], to that layout from [N, C, H, W], or back."""
    n, h, w, c = source
    first, last = layout((n, c, h, w)), channels_last(source)
    return reorder(first, last) if to_last else reorder(last, first)
