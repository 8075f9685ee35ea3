"""Quantise a float ONNX graph to 8-bit integers, by ONNX Runtime's static quantisation.

The result is a QDQ graph: QuantizeLinear and DequantizeLinear around what libraries then compute in
integers. Weights are signed, with a scale for each output channel; activations are unsigned, scaled
by the least and the greatest value met while calibrating (Jacob et al. 2018, arXiv:1712.05877;
Krishnamoorthi 2018, arXiv:1806.08342). One scale for a whole weight, batch norm that is not folded
into its convolution first, and scales found while predicting all ruin the accuracy.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from clsctl.errors import ModelError
from clsctl.inference.int8_cache import is_in_integers
from clsctl.inference.onnx_session import fold_constants, import_onnxruntime
from clsctl.system.temporary import scratch_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PRODUCTS = ("Conv", "Gemm", "MatMul")
AROUND = ("Add", "Clip", "Concat", "GlobalAveragePool", "MaxPool", "Mul", "ReduceMean", "Relu")
"""What stays in integers between two products, or folds into the one before."""

FIRST_IN_FLOATS = 3
"""Convolutions at the beginning, whose errors all others would inherit; they take little time."""


def write_int8(plain: Path, target: Path, batches: Iterable[NDArray[np.float32]]) -> None:
    """Quantise a graph, all but its first convolutions.

    A hard-swish stays in floats between integers; `clsctl.inference.graphs.hard_swish` writes it as
    each library computes it fastest.

    Args:
        plain: The float graph as it was converted, not optimised for a processor.
        target: Where to write.
        batches: Preprocessed images to calibrate with, float32 [N, 3, H, W] each.

    Raises:
        ModelError: The graph is in integers already (`E_CONVERSION`).
    """
    import_onnxruntime()
    from onnxruntime.quantization import QuantType, quantize_static

    with scratch_folder() as scratch:
        folded = scratch / "folded.onnx"
        graph = _fold(plain, folded)
        feeds = ({graph.input[0].name: batch} for batch in batches)
        quantize_static(
            folded,
            target,
            SimpleNamespace(get_next=lambda: next(feeds, None)),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=[*PRODUCTS, *AROUND],
            nodes_to_exclude=[n.name for n in graph.node if n.op_type == "Conv"][:FIRST_IN_FLOATS],
        )
    _narrow_before_hard_swish(target)


def _fold(plain: Path, folded: Path) -> Any:
    """Fold batch norm and constants; returns the graph."""
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    # ONNX Runtime's own step would warn of every constant that folding leaves without use.
    fold_constants(plain, folded)
    quant_pre_process(folded, folded, skip_optimization=True, skip_symbolic_shape=True)
    model = onnx.load(folded)
    if is_in_integers(model.graph):
        raise ModelError(f"the graph of {plain} is in integers already", code="E_CONVERSION")
    _restore_hard_swish(model.graph)
    # A node is left out by its name.
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"node {number}"
    onnx.save(model, folded)
    return model.graph


def _restore_hard_swish(graph: Any) -> None:
    """Put together again what folding took apart, x * HardSigmoid(x), for libraries to fuse."""
    gates = {node.output[0]: node for node in graph.node if _is_gate(node)}
    for node in graph.node:
        gate = next((gates[name] for name in node.input if name in gates), None)
        if node.op_type == "Mul" and gate and gate.input[0] in node.input:
            node.op_type = "HardSwish"
            node.input[:] = gate.input
    read = {name for node in graph.node for name in node.input}
    for output in gates.keys() - read:
        graph.node.remove(gates[output])


def _narrow_before_hard_swish(path: Path) -> None:
    """Spend no integers on what is below -3 before a hard-swish, which makes 0 of all that.

    What others read too stays as it is.
    """
    import numpy as np
    import onnx
    from onnx.numpy_helper import from_array, to_array

    model = onnx.load(path)
    made = {name: node for node in model.graph.node for name in node.output}
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    readers = Counter(name for node in model.graph.node for name in node.input)
    for node in model.graph.node:
        before = made.get(node.input[0]) if node.op_type == "HardSwish" else None
        if before is None or before.op_type != "DequantizeLinear":
            continue
        if readers[before.input[0]] == readers[before.output[0]] == 1:
            scale, zero = (constants[name] for name in before.input[1:])
            low, high = ((end - to_array(zero)) * to_array(scale) for end in (0.0, 255.0))
            step = np.float32((high - max(low, -3)) / 255)
            integer = np.uint8(np.round(-max(low, -3) / step))
            scale.CopyFrom(from_array(np.asarray(step), scale.name))
            zero.CopyFrom(from_array(np.asarray(integer), zero.name))
    onnx.save(model, path)


def _is_gate(node: Any) -> bool:
    """Whether it is the HardSigmoid of a hard-swish, by its slope."""
    slope = {attribute.name: attribute.f for attribute in node.attribute}.get("alpha", 0.2)
    return node.op_type == "HardSigmoid" and math.isclose(slope, 1 / 6, rel_tol=1e-5)
