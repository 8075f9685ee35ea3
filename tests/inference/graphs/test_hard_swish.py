"""How libraries compute a hard-swish between integers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

from clsctl.inference.graphs.hard_swish import STEPS, rewrite_hard_swish
from clsctl.inference.onnx_session import load_compiled, write_compiled
from clsctl.values import DeviceId, Placement

SCALE, ZERO = np.float32(0.05), np.uint8(110)
VALUES = (np.arange(256, dtype="float32") - ZERO) * SCALE
"""Everything that the integers before the hard-swish stand for: -5.5 to 7.25."""

RESULT = np.float32(7.25 / 240)
"""Of the integers after it, whose zero is 15: down to its minimum of -0.375."""

HOST = Placement(DeviceId("cpu"), 1)


@pytest.fixture
def graph(tmp_path) -> Path:
    """An identity by a convolution, and a hard-swish, between integers."""
    node, array = onnx.helper.make_node, onnx.numpy_helper.from_array
    constants = {"s": SCALE, "z": ZERO, "t": RESULT, "u": np.uint8(15)}
    constants |= {"w": np.full((1, 1, 1, 1), 127, np.int8), "v": np.float32(1 / 127)}
    constants |= {"o": np.int8(0)}
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q1"]),
        node("DequantizeLinear", ["q1", "s", "z"], ["d1"]),
        node("DequantizeLinear", ["w", "v", "o"], ["weight"]),
        node("Conv", ["d1", "weight"], ["c"]),
        node("QuantizeLinear", ["c", "s", "z"], ["q2"]),
        node("DequantizeLinear", ["q2", "s", "z"], ["d2"]),
        node("HardSwish", ["d2"], ["h"]),
        node("QuantizeLinear", ["h", "t", "u"], ["q3"]),
        node("DequantizeLinear", ["q3", "t", "u"], ["y"]),
    ]
    shape = [1, 1, 16, 16]
    content = onnx.helper.make_graph(
        nodes,
        "hard-swish",
        [onnx.helper.make_tensor_value_info("x", 1, shape)],
        [onnx.helper.make_tensor_value_info("y", 1, shape)],
        [array(np.asarray(value), name) for name, value in constants.items()],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    path = tmp_path / "graph.onnx"
    onnx.save(onnx.helper.make_model(content, opset_imports=opset, ir_version=8), path)
    return path


def exact() -> np.ndarray:
    return VALUES * np.clip(VALUES / 6 + 0.5, 0, 1)


def test_onnx_runtime_computes_it_in_integers(graph, tmp_path):
    write_compiled(str(graph), tmp_path / "compiled.onnx", HOST)
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "compiled.onnx").graph.node)
    assert kinds["QLinearConv"] == kinds["QLinearMul"] == 1
    assert not {"HardSwish", "HardSigmoid", "Conv", "Mul"} & kinds.keys()
    found = load_compiled(tmp_path / "compiled.onnx", HOST).run(VALUES.reshape(1, 1, 16, 16))
    # The factor is off by half a step, or by a whole one below -3, and the result is rounded.
    step = np.where(VALUES < -3, 1, 0.5) / STEPS
    bound = np.abs(VALUES) * step + RESULT / 2 + 1e-5
    assert (np.abs(found.ravel() - exact()) <= bound).all()


def test_openvino_rounds_nothing_before_it(graph, tmp_path):
    openvino_session = pytest.importorskip("clsctl.inference.openvino_session")
    pytest.importorskip("openvino")
    openvino_session.write_compiled(str(graph), tmp_path / "compiled.blob", HOST)
    session = openvino_session.load_compiled(tmp_path / "compiled.blob", HOST)
    found = session.run(VALUES.reshape(1, 1, 16, 16)).ravel()
    assert (np.abs(found - exact()) <= RESULT / 2 + 1e-5).all()


def test_what_has_none_is_left_alone(graph, tmp_path):
    model = onnx.load(graph)
    swish = next(node for node in model.graph.node if node.op_type == "HardSwish")
    swish.input[0] = "c"
    onnx.save(model, tmp_path / "floats.onnx")
    for source in (str(tmp_path / "floats.onnx"), "model.xml", b"content"):
        assert rewrite_hard_swish(source, lambda *_: []) is source
