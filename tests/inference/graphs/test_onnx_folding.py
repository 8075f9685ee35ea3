"""What folding leaves is the same function in fewer operations."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clsctl.inference.graphs.onnx_folding import fold_affine

onnx = pytest.importorskip("onnx")
CHANNELS = 3
NUMBERS = st.floats(-4, 4, width=32).filter(lambda number: abs(number) > 1e-3 or number == 0)


def graph(scale, shift, *extra: str, names: bool = True) -> bytes:
    """y = relu(norm(x)) * scale + shift, as ONNX; `extra` outputs are tensors on the way."""
    helper, array = onnx.helper, onnx.numpy_helper.from_array
    rng = np.random.default_rng(0)
    norm = {name: rng.uniform(0.5, 2, CHANNELS).astype("float32") for name in "gbmv"}
    image = [1, CHANNELS, 4, 4]
    between = [
        helper.make_node("Identity", ["product"], ["named"]),
        helper.make_node("Add", ["named" if names else "product", "shift"], ["y"]),
    ]
    return helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Constant", [], ["scale"], value=array(np.float32(scale))),
                helper.make_node("BatchNormalization", ["x", *"gbmv"], ["z"]),
                helper.make_node("Relu", ["z"], ["a"]),
                helper.make_node("Mul", ["scale", "a"], ["product"]),
                *between[0 if names else 1 :],
            ],
            "affine",
            [helper.make_tensor_value_info("x", 1, image)],
            [helper.make_tensor_value_info(name, 1, image) for name in ("y", *extra)],
            [array(value, name) for name, value in norm.items()]
            + [array(np.float32(shift), "shift")],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    ).SerializeToString()


def operations(content: bytes) -> list[str]:
    nodes = onnx.load_from_string(content).graph.node
    return [node.op_type for node in nodes if node.op_type not in ("Constant", "Identity")]


def run(content: bytes) -> np.ndarray:
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    images = np.random.default_rng(1).normal(size=(1, CHANNELS, 4, 4)).astype("float32")
    return onnxruntime.InferenceSession(content).run(None, {"x": 3 * images})[0]


@settings(max_examples=25)
@given(scale=NUMBERS, shift=NUMBERS, names=st.booleans())
def test_the_function_stays_the_same(scale, shift, names):
    plain = graph(scale, shift, names=names)
    folded = fold_affine(plain)
    assert operations(folded) == ["BatchNormalization", "Clip"]
    np.testing.assert_allclose(run(folded), run(plain), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "content",
    [graph(np.ones((CHANNELS, 1, 1)), 1), graph(2, np.ones((CHANNELS, 1, 1))), graph(2, 1, "a")],
    ids=["a scale for each channel", "a shift for each channel", "what others read too"],
)
def test_what_is_something_else_is_left(content):
    assert fold_affine(content) == content
