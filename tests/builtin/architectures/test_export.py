"""One network a family through export and conversion; `make golden` takes all 80 there."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
import yaml
from families import SMALL
from golden_rules import fill, make_input, manifest

import clsctl
from clsctl.exporting.network import export_network, graph_writer
from clsctl.images.preprocess import transform_ops
from clsctl.inference.convert import convert
from clsctl.inference.onnx_session import COMPILED, open_file
from clsctl.inference.paddle_session import PaddleSession
from clsctl.inference.parity import LIMIT
from clsctl.models.directory import read_model_dir
from clsctl.models.imagenet_labels import imagenet_labels
from clsctl.values import DeviceId, Placement, Preprocessing

# The heavy families in small: what an operator exports to does not depend on how many there are.
SMALLER = {
    "CLIP_vit_base_patch16_224": {"width": 192, "depth": 2, "heads": 3},
    "ConvNeXt_tiny": {"depths": (1, 1, 2, 1), "widths": (32, 64, 128, 256)},
    "PP-HGNet_tiny": {"layers": 2},
    "SwinTransformer_tiny_patch4_window7_224": {"width": 48, "depths": (2, 2, 2, 2)},
}
SIDE = 224
ON_CPU = Placement(DeviceId("cpu"), 1)

pytest.importorskip("paddle2onnx", reason="it has no build for Python 3.13")


@pytest.mark.parametrize("name", SMALL)
def test_the_exported_forms_give_the_network_s_scores(tmp_path, name):
    network = clsctl.build(name, **SMALLER.get(name, {})).eval()
    fill(network, manifest(name)["weight_seed"], manifest(name)["gain"])
    images = make_input(0, [3, 3, SIDE, SIDE])
    with paddle.no_grad():
        expected = paddle.nn.functional.log_softmax(network(paddle.to_tensor(images))).numpy()
    transforms = transform_ops(Preprocessing(resize_short=256, crop=SIDE))
    export_network(network, tmp_path, name, transforms, imagenet_labels(), (SIDE, SIDE))

    spec = read_model_dir(tmp_path)
    assert spec.name == name
    settings = yaml.safe_load((tmp_path / "inference.yml").read_text(encoding="utf-8"))
    assert len(settings["PostProcess"]["Topk"]["label_list"]) == 1000
    assert convert(COMPILED, spec, ON_CPU, tmp_path / "model.onnx") <= LIMIT
    for session in (
        PaddleSession(spec, ON_CPU),
        open_file(tmp_path / "model.onnx", 1),
    ):
        for batch in (1, 3):
            scores = session.run(images[:batch])
            np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
            likely = expected[:batch] > np.log(1e-6)
            difference = np.abs(np.log(scores + 1e-30) - expected[:batch])[likely]
            assert difference.max() < LIMIT / 10


def test_exporting_leaves_the_network_ready_to_train(tmp_path):
    network = clsctl.build("PP-LCNetV2_small", num_classes=3, seed=1)
    before = {name: value.numpy().copy() for name, value in network.state_dict().items()}
    export_network(network, tmp_path, "small", [], [], (64, 64))
    assert network.training
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(np.array_equal(after[name].numpy(), before[name]) for name in before)
    network(paddle.rand([2, 3, 64, 64])).sum().backward()
    assert network.fc.weight.grad is not None


@pytest.mark.parametrize("name", ["PP-LCNetV2_small", "PP-LCNet_x0_25"])
def test_a_graph_is_written_with_the_weights_that_the_network_then_has(tmp_path, name):
    network = clsctl.build(name, num_classes=3, seed=1)
    write = graph_writer(network, (64, 64))
    write(tmp_path / "before")
    for weight in network.parameters():
        weight.set_value(weight * 1.5)
    write(tmp_path / "after")
    export_network(network, tmp_path / "afresh", name, [], [], (64, 64))
    before, after, afresh = (
        (tmp_path / folder / "inference.pdiparams").read_bytes()
        for folder in ("before", "after", "afresh")
    )
    assert before != after == afresh
    graph = (tmp_path / "after" / "inference.json").read_bytes()
    assert graph == (tmp_path / "before" / "inference.json").read_bytes()
