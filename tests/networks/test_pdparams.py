from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import paddle
import pytest

import clsctl
from clsctl.errors import ModelError
from clsctl.networks.pdparams import read_pdparams

NAME = "MobileNetV1_x0_25"


@pytest.fixture(scope="module")
def network():
    return clsctl.build(NAME, seed=1)


def same(left, right) -> bool:
    return all(np.array_equal(left[name].numpy(), right[name].numpy()) for name in left)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_weights_survive_the_round_trip(network, tmp_path, protocol):
    paddle.save(network.state_dict(), str(tmp_path / "w.pdparams"), protocol=protocol)
    again = clsctl.build(NAME, pretrained=tmp_path / "w.pdparams", seed=2)
    assert same(network.state_dict(), again.state_dict())


def test_older_paddle_s_table_of_names_is_left_out(network, tmp_path):
    arrays = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    table = {"StructuredToParameterName@@": {name: name for name in arrays}}
    path = tmp_path / "old.pdparams"
    path.write_bytes(pickle.dumps(OrderedDict(arrays | table), protocol=2))
    assert set(read_pdparams(path)) == set(arrays)


def test_another_number_of_classes_leaves_the_classifier_fresh(network, tmp_path, capsys):
    paddle.save(network.state_dict(), str(tmp_path / "w.pdparams"))
    tuned = clsctl.build(NAME, num_classes=7, pretrained=tmp_path / "w.pdparams")
    state = tuned.state_dict()
    body = {n: t for n, t in network.state_dict().items() if list(t.shape) == list(state[n].shape)}
    assert same(body, state)
    assert capsys.readouterr().err == (
        "note: w.pdparams has another number of classes; left fresh: fc.bias, fc.weight\n"
    )


def test_weights_of_another_network_are_refused_with_their_names(network, tmp_path):
    paddle.save(network.state_dict(), str(tmp_path / "w.pdparams"))
    with pytest.raises(ModelError) as caught:
        clsctl.build("MobileNetV2_x0_25", pretrained=tmp_path / "w.pdparams")
    assert caught.value.code == "E_CHECKPOINT_MISMATCH"
    for word in ("missing (", "unexpected (", "blocks.0.depthwise_conv.bn._mean", "and 129 more"):
        assert word in caught.value.message


def test_a_wrong_shape_outside_the_classifier_is_refused(network, tmp_path):
    state = dict(network.state_dict())
    state["conv.conv.weight"] = paddle.zeros([3, 3])
    paddle.save(state, str(tmp_path / "w.pdparams"))
    with pytest.raises(ModelError, match=r"1 of another shape \(conv.conv.weight \(3, 3\)"):
        clsctl.build(NAME, pretrained=tmp_path / "w.pdparams")


def test_another_type_is_refused(network, tmp_path):
    state = {name: tensor.astype("float16") for name, tensor in network.state_dict().items()}
    paddle.save(state, str(tmp_path / "w.pdparams"))
    with pytest.raises(ModelError) as caught:
        clsctl.build(NAME, pretrained=tmp_path / "w.pdparams")
    assert caught.value.code == "E_CHECKPOINT_MISMATCH"
    assert "137 of another type (blocks.0.depthwise_conv.bn._mean float16 instead of" in str(
        caught.value
    )


class Bomb:
    """Unpickling this would run a command."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("protocol", [2, 5])
def test_a_hostile_file_runs_nothing(tmp_path, protocol):
    path, trace = tmp_path / "evil.pdparams", tmp_path / "ran"
    path.write_bytes(pickle.dumps({"fc.weight": Bomb(trace)}, protocol=protocol))
    with pytest.raises(ModelError, match=r"it names \w+.mkdir, which no weights need"):
        read_pdparams(path)
    assert not trace.exists()
    pickle.loads(path.read_bytes())
    assert trace.exists(), "the file is hostile indeed"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 a zip",
        pickle.dumps([1, 2]),
        pickle.dumps({"a": "text"}),
        pickle.dumps({"a": np.array([object()])}),
        pickle.dumps({"a": np.array(["text"])}),
        pickle.dumps({"a": np.ones(3)})[:-20],
    ],
)
def test_what_is_no_weights_file_is_one_clear_error(tmp_path, content):
    path = tmp_path / "bad.pdparams"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        read_pdparams(path)
    assert caught.value.code == "E_CHECKPOINT"
    assert str(path) in caught.value.message


def test_a_missing_file(tmp_path):
    with pytest.raises(ModelError, match="No such file"):
        read_pdparams(tmp_path / "none.pdparams")
