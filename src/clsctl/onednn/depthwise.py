"""The weights' gradient of depthwise convolutions with wide kernels, in pieces of 3 x 3.

oneDNN 3.6 has fast machine code for it up to that size only: 5 x 5 takes 36 times as long as 3 x 3
(256 channels of 14 x 14). So map and gradient are put into frames of zeros, as wide as the padded
map, where a piece of the kernel that begins at (i, j) sees what the piece at (0, 0) sees, i rows
and j columns further on in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsctl.onednn.onednn import (
    FLOAT_BYTES,
    Arg,
    Part,
    Primitive,
    Prop,
    any_layout,
    byte_size,
    channels_last,
    describe,
    layout,
    reorder,
)
from clsctl.onednn.primitives import (
    DIRECT_CONVOLUTION,
    Convolution,
    Pair,
    Shape,
    Window,
    row,
)

if TYPE_CHECKING:
    from paddle import Tensor

PIECE = 3


class WideDepthwise(Convolution):
    """A depthwise convolution whose kernel is larger than a piece; see `Convolution`."""

    @staticmethod
    def suits(source: Shape, weight: Shape, window: Window, groups: int) -> bool:
        depthwise = groups == source[-1] == weight[0]
        return depthwise and min(window.kernel) > PIECE and window.dilation == (1, 1)

    def __init__(
        self, source: Shape, weight: Shape, window: Window, groups: int, bias: bool
    ) -> None:
        super().__init__(source, weight, window, groups, bias)
        n, h, w, c = source
        (kernel_h, kernel_w), before, after = window.kernel, window.before, window.after
        high, wide = h + before[0] + after[0], w + before[1] + after[1]
        piece = Window((PIECE, PIECE), window.stride, (1, 1), (0, 0), (0, 0))
        # For each piece, where it begins in the framed map and in the weights.
        self._places = [
            ((i * wide + j) * c, i * kernel_w + j)
            for i in _starts(kernel_h)
            for j in _starts(kernel_w)
        ]
        farthest, _ = self._places[-1]
        self._frame_map = _Frame(source, (high, wide), before, farthest)
        self._frame_gradient = _Frame(self.shape, piece.over(high, wide), (0, 0), 0)
        self._piece = _piece((n, high, wide, c), piece, bias)
        packed = self._piece.layout(Arg.DIFF_WEIGHTS)
        area = kernel_h * kernel_w
        plain = layout((c, 1, 1, PIECE, PIECE), (area, area, area, kernel_w, 1))
        self._piece_size, self._unpack_piece = (
            byte_size(packed) // FLOAT_BYTES,
            reorder(packed, plain),
        )

    def to_weights(self, x: Tensor, dy: Tensor, weight: Tensor, bias: Tensor | None) -> None:
        framed, seen = self._frame_map(x), self._frame_gradient(dy)
        packed = row(self._piece_size)
        for in_map, in_kernel in self._places:
            piece = Part(framed, in_map)
            self._piece(piece, seen, packed, *([] if bias is None else [bias]))
            self._unpack_piece(packed, Part(weight, in_kernel))


class _Frame:
    """Puts a map [N, H, W, C] into a larger one of zeros, given as a row of numbers.

    Args:
        source: Shape of the map.
        size: Height and width of the larger one.
        place: Where the map's first row and column are in it.
        slack: How many zeros follow.
    """

    def __init__(self, source: Shape, size: Pair, place: Pair, slack: int) -> None:
        (n, h, w, c), (high, wide), (top, left) = source, size, place
        self._numbers = n * high * wide * c + slack
        self._start = (top * wide + left) * c
        inside = layout((n, c, h, w), (high * wide * c, 1, wide * c, c))
        self._put = reorder(channels_last(source), inside)

    def __call__(self, x: Tensor) -> Tensor:
        framed = row(self._numbers).zero_()
        self._put(x, Part(framed, self._start))
        return framed


def _piece(source: Shape, window: Window, bias: bool) -> Primitive:
    """The weights' gradient of a depthwise convolution of a map with one piece of the kernel."""
    n, h, w, c = source
    y, kernel = channels_last((n, *window.over(h, w), c)), any_layout((c, 1, 1, PIECE, PIECE))
    biases, x, where = layout([c]) if bias else None, channels_last(source), window.arguments()
    forward = describe(
        "convolution_forward", Prop.FORWARD, DIRECT_CONVOLUTION, x, kernel, biases, y, *where
    )
    to_weights = describe(
        "convolution_backward_weights",
        *(DIRECT_CONVOLUTION, x, kernel, biases, y, *where),
        hint=forward,
    )
    roles = (Arg.SRC, Arg.DIFF_DST, Arg.DIFF_WEIGHTS)
    return Primitive(to_weights, *roles, *([Arg.DIFF_BIAS] if bias else []))


def _starts(kernel: int) -> list[int]:
    """Where the pieces begin along one side of a kernel; the last two may overlap."""
    return [*range(0, kernel - PIECE, PIECE), kernel - PIECE]
