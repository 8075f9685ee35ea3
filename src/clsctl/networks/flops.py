"""Count what a network costs: its parameters and its multiply-accumulates.

The multiply-accumulates are read off the network's traced graph, where every convolution and
matrix product stands with its shapes, whether a layer or a function in some `forward` made it;
nothing is computed.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clsctl.system.interrupts import late_interrupts

if TYPE_CHECKING:
    from paddle import Tensor, nn

    from clsctl.values import ModelEntry

CONVOLUTIONS = ("pd_op.conv2d", "pd_op.depthwise_conv2d")
MATRIX_PRODUCTS = ("pd_op.matmul", "pd_op.bmm")


@dataclass(frozen=True, slots=True)
class Costs:
    """What one network costs; see `parameters` and `macs`."""

    parameters: int
    macs: int


def costs(entry: ModelEntry) -> Costs | None:
    """Count the costs of a catalog entry's network for one image; None where no plugin has it."""
    from clsctl.networks.build import build_lazy
    from clsctl.plugin.registry import default_registry

    architecture = default_registry().items("architectures").get(entry.name)
    if architecture is None:
        return None
    network = build_lazy(functools.partial(architecture.build, num_classes=1000))
    return Costs(parameters(network), macs(network, (3, *entry.preprocessing.input_size)))


def parameters(network: nn.Layer, trainable: bool = False) -> int:
    """Count the numbers of a checkpoint: every float entry of the state_dict, statistics included.

    Args:
        network: The network.
        trainable: Count only what an optimizer may change: no batch statistics, nothing frozen.
    """
    return sum(
        entry.size
        for entry in network.state_dict().values()
        if entry.is_floating_point() and not (trainable and entry.stop_gradient)
    )


def macs(network: nn.Layer, input_shape: Sequence[int]) -> int:
    """Count multiply-accumulates of convolutions, linear layers and attention, for one image.

    Args:
        network: The network; it is traced in evaluation mode and left as it was. Its weights are
            not read, so one built under `paddle.LazyGuard` will do.
        input_shape: Channels, height and width of the image.
    """
    return sum(map(_operation_macs, _operations(network, input_shape)))


def activations(network: nn.Layer, input_shape: Sequence[int]) -> int:
    """Count the numbers in an image and all that operations make of it; training keeps most.

    Args:
        network: As for `macs`.
        input_shape: Channels, height and width of the image.
    """
    return sum(map(_operation_outputs, _operations(network, input_shape)))


def _operations(network: nn.Layer, input_shape: Sequence[int]) -> Iterator[Any]:
    """The operations of the network's traced graph, in the order of computation."""
    import paddle

    # The forward methods are called as they stand: rewriting them for control flow, as Paddle
    # does by default, takes three times as long as the trace.
    @paddle.jit.not_to_static
    def run(x: Tensor) -> Any:
        return network(x)

    image = paddle.static.InputSpec([1, *input_shape], "float32")
    with _evaluation_mode(network), late_interrupts():
        traced = paddle.jit.to_static(run, input_spec=[image], full_graph=True)
        program = traced.concrete_program.main_program
    # The operations are gone with the program, which lives while they are looked at.
    yield from program.global_block().ops


def _operation_macs(operation: Any) -> int:
    """Multiply-accumulates of one operation: its outputs, times the terms summed in each."""
    if operation.name() in CONVOLUTIONS:
        terms: int = math.prod(operation.operand_source(1).shape[1:])
    elif operation.name() in MATRIX_PRODUCTS:
        transposed = operation.attrs().get("transpose_x", False)
        terms = operation.operand_source(0).shape[-2 if transposed else -1]
    else:
        return 0
    outputs: int = math.prod(operation.result(0).shape)
    return outputs * terms


def _operation_outputs(operation: Any) -> int:
    """Numbers in its main output; parameters and the graph's own bookkeeping make none."""
    if not operation.name().startswith("pd_op."):
        return 0
    output = operation.result(0)
    return math.prod(output.shape) if output.is_dense_tensor_type() else 0


@contextmanager
def _evaluation_mode(network: nn.Layer) -> Iterator[None]:
    modes = [(layer, layer.training) for layer in network.sublayers(include_self=True)]
    network.eval()
    try:
        yield
    finally:
        for layer, training in modes:
            layer.training = training
