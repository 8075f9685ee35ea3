"""Fold relu(z) * s + b, with two numbers s and b, into clip(s * z + b): one operation, not three.

PP-HGNetV2 scales and shifts each activation by two learnt numbers. Libraries fuse a convolution
with its batch norm and its clipping; a product and a sum they compute on their own, and change the
layout of the memory before and after. For s >= 0 the whole is max(s * z + b, b), and for s < 0 it
is min(s * z + b, b), where batch norm's scale and shift take s and b.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

CHAIN = ("BatchNormalization", "Relu", "Mul", "Add")


class Affine(NamedTuple):
    """The nodes of one such layer, and its numbers."""

    norm: Any
    relu: Any
    product: Any
    total: Any
    scale: float
    shift: float


def fold_affine(content: bytes) -> bytes:
    """Fold every such layer of an ONNX file; returns the same file where it has none."""
    import onnx

    model = onnx.load_from_string(content)
    constants = _constants(model.graph)
    found = list(_affines(model.graph, constants))
    for number, affine in enumerate(found):
        _fold(model.graph, constants, affine, f"folded_{number}")
    return model.SerializeToString() if found else content


def _affines(graph: Any, constants: Mapping[str, Any]) -> Iterator[Affine]:
    readers = _readers(graph)
    for node in graph.node:
        chain = _chain(node, readers) if node.op_type == CHAIN[0] else []
        if len(chain) == len(CHAIN):
            scale, shift = (_number(node, constants) for node in chain[2:])
            if scale is not None and shift is not None:
                norm, relu, product, total = chain
                yield Affine(norm, relu, product, total, scale, shift)


def _chain(node: Any, readers: Mapping[str, list[Any]]) -> list[Any]:
    """The nodes that follow each other in the order of CHAIN, as far as they do."""
    chain = [node]
    for operation in CHAIN[1:]:
        node = _only_reader(node, readers)
        if node is None or node.op_type != operation:
            break
        chain.append(node)
    return chain


def _only_reader(node: Any, readers: Mapping[str, list[Any]]) -> Any:
    """The one node that reads a node's result, through any that only give it another name."""
    found = readers.get(node.output[0], [])
    if len(found) != 1 or found[0] is None:
        return None
    (reader,) = found
    return _only_reader(reader, readers) if reader.op_type == "Identity" else reader


def _readers(graph: Any) -> dict[str, list[Any]]:
    """The nodes that read each tensor; None stands for the graph's own output."""
    readers = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node)
    for output in graph.output:
        readers[output.name].append(None)
    return readers


def _constants(graph: Any) -> dict[str, Any]:
    """The tensors that are part of the graph, by name."""
    named = {tensor.name: tensor for tensor in graph.initializer}
    made = {node.output[0]: node for node in graph.node if node.op_type == "Constant"}
    return named | {name: node.attribute[0].t for name, node in made.items()}


def _number(node: Any, constants: Mapping[str, Any]) -> float | None:
    """The single number that a product or sum has as one of its operands."""
    from onnx.numpy_helper import to_array

    arrays = [to_array(constants[name]) for name in node.input if name in constants]
    return float(arrays[0].item()) if len(arrays) == 1 and arrays[0].size == 1 else None


def _fold(graph: Any, constants: Mapping[str, Any], affine: Affine, name: str) -> None:
    import numpy as np
    from onnx.numpy_helper import from_array, to_array

    scale, shift = np.float32(affine.scale), np.float32(affine.shift)
    gamma, beta = (to_array(constants[name]) for name in affine.norm.input[1:3])
    arrays = {
        f"{name}_scale": gamma * scale,
        f"{name}_shift": beta * scale + shift,
        f"{name}_limit": np.asarray(shift),
    }
    graph.initializer.extend(from_array(array, label) for label, array in arrays.items())
    affine.norm.input[1:3] = list(arrays)[:2]
    affine.relu.op_type = "Clip"
    affine.relu.input.extend([f"{name}_limit"] if scale >= 0 else ["", f"{name}_limit"])
    for node in (affine.product, affine.total):
        kept = [operand for operand in node.input if operand not in constants]
        node.op_type, node.input[:] = "Identity", kept
