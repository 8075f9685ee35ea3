"""Model directories with small ONNX graphs, each with a fault of its own.

Their scores are the means of three channels, through a softmax.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clsctl.images.preprocess import transform_ops
from clsctl.models.directory import write_settings
from clsctl.values import Preprocessing


def write_greedy(folder: Path, values: int) -> None:
    """A file of a few hundred bytes that adds up so many numbers to make its scores."""
    from onnx import helper, numpy_helper

    many = [
        helper.make_node("ConstantOfShape", ["size"], ["many"]),
        helper.make_node("ReduceSum", ["many"], ["sum"], keepdims=0),
        helper.make_node("Add", ["logits", "sum"], ["changed"]),
    ]
    _write(folder, many, [numpy_helper.from_array(np.array([values], np.int64), "size")])


def write_endless(folder: Path) -> None:
    """A loop whose condition stays as it is."""
    from onnx import TensorProto, helper, numpy_helper

    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["again"]),
            helper.make_node("Mul", ["value", "half"], ["halved"]),
        ],
        "body",
        [
            info("number", TensorProto.INT64, []),
            info("go", TensorProto.BOOL, []),
            info("value", TensorProto.FLOAT, ["n", 3]),
        ],
        [info("again", TensorProto.BOOL, []), info("halved", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(np.array(0.5, np.float32), "half")],
    )
    loop = helper.make_node("Loop", ["", "yes", "logits"], ["changed"], body=body)
    _write(folder, [loop], [numpy_helper.from_array(np.array(True), "yes")])


def write_single(folder: Path) -> None:
    """A graph that takes one image and no more, PyTorch's default."""
    from onnx import helper

    _write(folder, [helper.make_node("Identity", ["logits"], ["changed"])], batch=1)


def write_mixing(folder: Path) -> None:
    """A graph in which the other images of a batch have a say in each image's scores."""
    from onnx import helper

    mixed = [
        helper.make_node("ReduceMean", ["logits"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Add", ["logits", "mean"], ["changed"]),
    ]
    _write(folder, mixed)


def _write(
    folder: Path, change: Sequence[Any], constants: Sequence[Any] = (), batch: int | str = "n"
) -> None:
    """Write a graph in which `change` makes `changed` of `logits`."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["logits"]),
        *change,
        helper.make_node("Softmax", ["changed"], ["scores"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 224, 224])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 3])
    graph = helper.make_graph(nodes, folder.name, [x], [scores], list(constants))
    opset = [helper.make_opsetid("", 17)]
    folder.mkdir()
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    (folder / "inference.onnx").write_bytes(model.SerializeToString())
    transforms = transform_ops(Preprocessing(resize_short=256, crop=224))
    write_settings(folder, folder.name, transforms, ("red", "green", "blue"))
