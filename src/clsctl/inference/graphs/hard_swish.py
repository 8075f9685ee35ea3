"""Write the hard-swish of a quantised graph as each library computes it fastest.

`clsctl quantize` leaves y = x * clip(x / 6 + 1 / 2, 0, 1) as one node in floats between tensors in
integers. ONNX Runtime would compute it in three passes over floats; OpenVINO fuses it with the
convolution before, where nothing is rounded in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

STEPS = 254
"""Between 0 and 1, so that 1/2 and 1 are met exactly; one step below 0 is left for x < -3."""

Rewrite = Callable[[Any, str, Mapping[str, Any]], list[Any]]
"""Returns what takes a hard-swish's place, given a prefix for names and the nodes by output."""


def rewrite_hard_swish(source: str | bytes, rewrite: Rewrite) -> str | bytes:
    """Rewrite each hard-swish of an ONNX file whose input is in integers.

    Args:
        source: The file or its content; what has no such node, or is no ONNX file, is returned as
            it is.
        rewrite: `in_integers` or `after_product`.
    """
    import onnx

    if isinstance(source, bytes) or not source.endswith(".onnx"):
        return source
    if not any(_quantised_nodes(onnx.load(source, load_external_data=False).graph)):
        return source
    model = onnx.load(source)
    made = _nodes_by_output(model.graph)
    found = _quantised_nodes(model.graph)
    nodes: list[Any] = []
    for number, (node, rewritten) in enumerate(zip(model.graph.node, found, strict=True)):
        nodes += rewrite(node, f"hard_swish_{number}", made) if rewritten else [node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    content: bytes = model.SerializeToString()
    return content


def in_integers(node: Any, name: str, made: Mapping[str, Any]) -> list[Any]:
    """Write it as a product of integers, for ONNX Runtime.

    The factor clip(x / 6 + 1 / 2, 0, 1) is x itself, rounded and clipped as integers are: with a
    scale of 6 / STEPS and the zero in the middle they are those that stand for the factor.
    """
    from onnx.helper import make_node

    (x,), (y,) = node.input, node.output
    before = _number(f"{name}_in", 6 / STEPS, STEPS // 2 + 1)
    after = _number(f"{name}_out", 1 / STEPS, 1)
    return [
        *before,
        *after,
        make_node("QuantizeLinear", [x, *_outputs(before)], [f"{name}_integer"]),
        make_node("DequantizeLinear", [f"{name}_integer", *_outputs(after)], [f"{name}_factor"]),
        make_node("Mul", [x, f"{name}_factor"], [y]),
    ]


def after_product(node: Any, name: str, made: Mapping[str, Any]) -> list[Any]:
    """Let it take the floats that its input was before it was rounded, for OpenVINO."""
    quantize = made.get(made[node.input[0]].input[0])
    if quantize is not None:
        node.input[0] = quantize.input[0]
    return [node]


def _quantised_nodes(graph: Any) -> list[bool]:
    """Say of each node whether it is a hard-swish whose input is in integers."""
    restored = {
        name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.output
    }
    return [node.op_type == "HardSwish" and node.input[0] in restored for node in graph.node]


def _nodes_by_output(graph: Any) -> dict[str, Any]:
    return {name: node for node in graph.node for name in node.output}


def _number(name: str, scale: float, zero: int) -> list[Any]:
    """Make the constants by which integers stand for numbers."""
    import numpy as np
    from onnx.helper import make_node
    from onnx.numpy_helper import from_array

    values = {f"{name}_scale": np.float32(scale), f"{name}_zero": np.uint8(zero)}
    return [
        make_node("Constant", [], [label], value=from_array(np.asarray(value)))
        for label, value in values.items()
    ]


def _outputs(nodes: list[Any]) -> list[str]:
    return [node.output[0] for node in nodes]
