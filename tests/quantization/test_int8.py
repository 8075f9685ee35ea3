"""What is in integers after quantisation, and what is not."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import golden_rules
import models
import numpy as np
import onnx
import onnxruntime
import pytest

import clsctl
from clsctl.exporting.network import export_network
from clsctl.images.preprocess import transform_ops
from clsctl.inference.onnx_session import load_compiled, write_compiled
from clsctl.models.directory import read_model_dir
from clsctl.quantization.int8 import FIRST_IN_FLOATS, write_int8
from clsctl.values import DeviceId, Placement, Preprocessing

pytest.importorskip("paddle2onnx", reason="it has no build for Python 3.13")

SIDE, CLASSES = 224, 10


def plain_graph(name: str, folder: Path) -> Path:
    """A network with weights of no use, whose answers vary."""
    from clsctl.inference.paddle2onnx import onnx_bytes

    folder.mkdir()
    network = clsctl.build(name, num_classes=CLASSES, seed=0)
    golden_rules.fill(network, seed=0, gain=golden_rules.manifest(name)["gain"])
    models.spread(network)
    transforms = transform_ops(Preprocessing(resize_short=SIDE, crop=SIDE))
    export_network(network, folder, name, transforms, [""] * CLASSES, (SIDE, SIDE))
    path = folder / "plain.onnx"
    path.write_bytes(onnx_bytes(read_model_dir(folder)))
    return path


@pytest.fixture(scope="module", params=["MobileNetV1_x0_25", "PP-LCNet_x0_25"])
def pair(request, tmp_path_factory):
    """The graphs of a network with ReLU, and of one with hard-swish."""
    root = tmp_path_factory.mktemp("int8")
    plain = plain_graph(request.param, root / "model")
    write_int8(plain, root / "int8.onnx", images(2, 8))
    return plain, root / "int8.onnx"


def images(batches: int, size: int):
    return (golden_rules.make_input(seed, [size, 3, SIDE, SIDE]) for seed in range(1, batches + 1))


def run(path: Path, batch: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options)
    return session.run(None, {session.get_inputs()[0].name: batch})[0]


def test_what_is_in_integers(pair):
    plain, int8 = (onnx.load(path).graph for path in pair)
    before, after = (Counter(node.op_type for node in graph.node) for graph in (plain, int8))
    made = {name: node for node in int8.node for name in node.output}
    convolutions = [node for node in int8.node if node.op_type == "Conv"]
    assert len(convolutions) == before["Conv"]
    for node in convolutions[:FIRST_IN_FLOATS]:
        assert "DequantizeLinear" not in [made[name].op_type for name in node.input if name in made]
    for node in convolutions[FIRST_IN_FLOATS:]:
        assert [made[name].op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2
    # hard-swish is in one piece, in floats between integers
    assert after["HardSwish"] == before["HardSwish"]
    assert after["BatchNormalization"] == 0
    quantised = {
        made[node.input[0]].op_type
        for node in int8.node
        if node.op_type == "QuantizeLinear" and node.input[0] in made
    }
    assert quantised >= {"Conv", "HardSwish" if before["HardSwish"] else "Relu"}


def test_every_channel_of_a_weight_has_a_scale_of_its_own(pair):
    graph = onnx.load(pair[1]).graph
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    weights = [
        (arrays[node.input[0]], arrays[node.input[1]])
        for node in graph.node
        if node.op_type == "DequantizeLinear"
        and node.input[0] in arrays
        and arrays[node.input[0]].ndim == 4
    ]
    assert weights
    for weight, scale in weights:
        assert weight.dtype == np.int8
        assert scale.shape == weight.shape[:1]


@pytest.mark.skipif(not models.QUANTISES, reason=models.QUANTISES_WHERE)
def test_the_answers_stay(pair):
    batch = golden_rules.make_input(0, [32, 3, SIDE, SIDE])
    exact, int8 = (run(path, batch) for path in pair)
    assert len(set(exact.argmax(1))) > 3
    # Many of these images are toss-ups: over other batches 0.66 to 0.88 of them keep their class,
    # with one convolution in floats or three. How far the scores are off is steadier:
    # 0.12 to 0.22 with hard-swish, before which the results of convolutions are rounded, too.
    assert (exact.argmax(1) == int8.argmax(1)).mean() >= 0.7
    assert (exact * np.log(exact / int8)).sum(axis=1).mean() <= 0.25
    assert not np.array_equal(exact, int8)


def test_the_same_images_give_the_same_bytes(pair, tmp_path):
    write_int8(pair[0], tmp_path / "again.onnx", images(2, 8))
    assert (tmp_path / "again.onnx").read_bytes() == pair[1].read_bytes()


def test_nodes_need_no_names(pair, tmp_path):
    model = onnx.load(pair[0])
    for node in model.graph.node:
        node.name = ""
    onnx.save(model, tmp_path / "unnamed.onnx")
    write_int8(tmp_path / "unnamed.onnx", tmp_path / "int8.onnx", images(2, 8))
    batch = golden_rules.make_input(0, [4, 3, SIDE, SIDE])
    assert np.array_equal(run(tmp_path / "int8.onnx", batch), run(pair[1], batch))


def test_what_a_graph_leaves_in_floats_stays_there(tmp_path):
    """A convolution between two quantised tensors, whose channels differ by a factor of 1,000."""
    helper, array = onnx.helper, onnx.numpy_helper.from_array
    rows = np.float32([[0.03, -0.07], [30, -70]]) / 100
    weights = rows[:, :, None, None]
    constants = {"w": weights, "b": np.zeros(2, np.float32)}
    constants |= {"s": np.float32(0.02), "z": np.uint8(128)}
    pairs = [("QuantizeLinear", "DequantizeLinear", name) for name in ("x", "y")]
    nodes = [
        helper.make_node(operation, [source, "s", "z"], [f"{name}_{operation}"])
        for quantize, restore, name in pairs
        for operation, source in ((quantize, name), (restore, f"{name}_{quantize}"))
    ]
    convolution = helper.make_node("Conv", ["x_DequantizeLinear", "w", "b"], ["y"])
    shape = [1, 2, 8, 8]
    graph = helper.make_graph(
        [*nodes[:2], convolution, *nodes[2:]],
        "floats",
        [helper.make_tensor_value_info("x", 1, shape)],
        [helper.make_tensor_value_info("y_DequantizeLinear", 1, shape)],
        [array(np.asarray(value), name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    content = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    placement = Placement(DeviceId("cpu"), 1)
    write_compiled(content, tmp_path / "form.onnx", placement)
    x = np.random.default_rng(0).uniform(-2.5, 2.5, shape).astype("float32")
    exact = np.einsum("oi,nihw->nohw", rows, (x / 0.02).round() * 0.02)
    found = load_compiled(tmp_path / "form.onnx", placement).run(x)
    np.testing.assert_allclose(found, (exact / 0.02).round() * 0.02, atol=1e-5)


def test_integers_before_a_hard_swish_reach_down_to_minus_3(pair):
    graph = onnx.load(pair[1]).graph
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made = {name: node for node in graph.node for name in node.output}
    before = [made[node.input[0]] for node in graph.node if node.op_type == "HardSwish"]
    restored = [node for node in before if node.op_type == "DequantizeLinear"]
    assert len(restored) >= len(before) - FIRST_IN_FLOATS
    for node in restored:
        scale, zero = (arrays[name] for name in node.input[1:])
        # The zero is a whole number, so that the end is off by half a step at most.
        assert -zero * scale >= -3 - scale / 2


def test_integers_that_others_read_too_reach_as_far_as_before(tmp_path):
    """A sum of what comes out of a convolution, -8 to 8, and of its hard-swish."""
    helper, array = onnx.helper, onnx.numpy_helper.from_array
    names = ["x", *(f"c{number}" for number in range(FIRST_IN_FLOATS + 1))]
    nodes = [
        helper.make_node("Conv", [source, "w"], [result])
        for source, result in itertools.pairwise(names)
    ]
    nodes += [
        helper.make_node("HardSwish", names[-1:], ["h"]),
        helper.make_node("Add", [names[-1], "h"], ["y"]),
    ]
    shape = [1, 1, 8, 8]
    graph = helper.make_graph(
        nodes,
        "sum",
        [helper.make_tensor_value_info("x", 1, shape)],
        [helper.make_tensor_value_info("y", 1, shape)],
        [array(np.ones((1, 1, 1, 1), np.float32), "w")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "plain.onnx")
    x = np.linspace(-8, 8, 64, dtype="float32").reshape(shape)
    write_int8(tmp_path / "plain.onnx", tmp_path / "int8.onnx", [x])
    exact, int8 = (run(tmp_path / name, x) for name in ("plain.onnx", "int8.onnx"))
    # A step before the hard-swish is 16 / 255, one of the sum 24 / 255; the sum's slope is 2.
    assert np.abs(exact - int8).max() <= 2 * 16 / 255 + 24 / 255
