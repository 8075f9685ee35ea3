"""The gate of the ONNX conversion passes what is right and refuses what converters get wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from golden_rules import fill, manifest
from paddle import Tensor, nn
from paddle.nn import functional as F

import clsctl
from clsctl.errors import ModelError
from clsctl.exporting.network import export_network
from clsctl.images.preprocess import transform_ops
from clsctl.inference.convert import convert
from clsctl.inference.onnx_session import COMPILED
from clsctl.inference.paddle2onnx import OPSET
from clsctl.inference.parity import LIMIT
from clsctl.models.catalog import get_entry
from clsctl.models.directory import read_model_dir
from clsctl.values import DeviceId, Placement

paddle2onnx = pytest.importorskip("paddle2onnx", reason="it has no build for Python 3.13")
onnx = pytest.importorskip("onnx")

ON_CPU = Placement(DeviceId("cpu"), 1)
# The second is a hard one: the reference's hard-swish layers damp any difference.
NAMES = ["MobileNetV2_x0_25", "PP-LCNet_x1_0"]


@pytest.fixture(scope="module", params=NAMES)
def exported(request, tmp_path_factory):
    """A model directory of the reference's weights, and what paddle2onnx makes of it."""
    network, entry = clsctl.build(request.param), get_entry(request.param)
    fill(network, manifest(entry.name)["weight_seed"], manifest(entry.name)["gain"])
    folder = tmp_path_factory.mktemp("model")
    transforms = transform_ops(entry.preprocessing)
    export_network(network, folder, entry.name, transforms, [], entry.preprocessing.input_size)
    spec = read_model_dir(folder)
    content = paddle2onnx.export(
        str(spec.graph), str(spec.params), opset_version=OPSET, optimize_tool="None"
    )
    return spec, onnx.load_from_string(content)


@pytest.fixture
def convert_as(monkeypatch, tmp_path):
    """Convert where paddle2onnx would write that graph."""

    def convert_(spec, graph):
        content = graph.SerializeToString()
        monkeypatch.setattr(paddle2onnx, "export", lambda *args, **options: content)
        return convert(COMPILED, spec, ON_CPU, tmp_path / "model.onnx")

    return convert_


def test_a_right_graph_passes_by_a_wide_margin(exported, convert_as):
    spec, graph = exported
    assert convert_as(spec, graph) < LIMIT / 10


@pytest.mark.parametrize("which", [0, -1], ids=["first", "last"])
def test_a_padding_on_the_wrong_side_is_refused(exported, convert_as, which):
    spec, graph = exported
    faulty = onnx.ModelProto.FromString(graph.SerializeToString())
    pads = [
        attribute.ints
        for node in faulty.graph.node
        for attribute in node.attribute
        if node.op_type == "Conv" and attribute.name == "pads" and any(attribute.ints)
    ]
    top, left, bottom, right = pads[which]
    pads[which][:] = [top + 1, left, bottom - 1, right]
    refused(convert_as, spec, faulty)


def test_a_clipped_activation_is_refused(exported, convert_as):
    spec, graph = exported
    faulty = onnx.ModelProto.FromString(graph.SerializeToString())
    nodes = faulty.graph.node
    place = next(i for i, node in enumerate(nodes) if node.op_type in ("Clip", "HardSwish"))
    bounds = [
        onnx.helper.make_tensor(name, 1, [], [v]) for name, v in (("low", -1.0), ("high", 1.0))
    ]
    faulty.graph.initializer.extend(bounds)
    output = nodes[place].output[0]
    nodes[place].output[0] = "unclipped"
    nodes.insert(place + 1, onnx.helper.make_node("Clip", ["unclipped", "low", "high"], [output]))
    refused(convert_as, spec, faulty)


def refused(convert_as, spec, graph):
    with pytest.raises(ModelError, match="differs from Paddle's result") as caught:
        convert_as(spec, graph)
    assert caught.value.code == "E_CONVERSION"


class Careless(nn.Layer):
    """A network with `hardtanh(0, 6)`, which paddle2onnx 2.1 writes as a clip to -1 and 1."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2D(3, 8, 3, stride=2)
        self.fc = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.hardtanh(4 * self.conv(x), 0.0, 6.0)
        return self.fc(x.mean([2, 3]))


def test_a_known_fault_of_the_converter_is_refused(tmp_path: Path):
    transforms = transform_ops(get_entry(NAMES[0]).preprocessing)
    export_network(Careless(), tmp_path, "careless", transforms, [], (224, 224))
    with pytest.raises(ModelError, match="differs from Paddle's result"):
        convert(COMPILED, read_model_dir(tmp_path), ON_CPU, tmp_path / "model.onnx")
