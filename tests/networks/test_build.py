from __future__ import annotations

import pickle
import subprocess
import sys
from collections import OrderedDict

import numpy as np
import paddle
import pytest

import clsctl
from clsctl.errors import ModelError

NAME = "MobileNetV1_x0_25"

# Prints how much memory building takes at its peak, in units of the weights; what is needed only
# once in a process was needed before.
PEAK = """
import resource, sys, paddle, clsctl
from clsctl.networks.flops import parameters
name, weights = sys.argv[1], sys.argv[2:]
clsctl.build("MobileNetV1_x0_25")
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
network = clsctl.build(name, pretrained=weights[0] if weights else False)
print((peak() - before) / (4 * parameters(network)))
"""


def weights(network) -> np.ndarray:
    return np.concatenate([tensor.numpy().ravel() for tensor in network.parameters()])


def test_one_seed_one_network():
    first, again, other = (clsctl.build(NAME, seed=seed) for seed in (7, 7, 8))
    assert np.array_equal(weights(first), weights(again))
    assert not np.array_equal(weights(first), weights(other))


def test_a_seed_leaves_the_caller_s_random_numbers_alone():
    paddle.seed(3)
    expected = paddle.rand([4]).numpy()
    paddle.seed(3)
    clsctl.build(NAME, seed=99)
    assert np.array_equal(paddle.rand([4]).numpy(), expected)


def test_options_reach_the_network():
    network = clsctl.build("StarNet-S1", num_classes=3, drop_path_rate=0.5)
    assert network(paddle.rand([1, 3, 64, 64])).shape == [1, 3]


def test_an_unknown_network_gets_the_nearest_names():
    with pytest.raises(ModelError, match="Did you mean ResNet50"):
        clsctl.build("ResNet_50")


# ---- with weights --------------------------------------------------------------------------------


def save_as_a_run_does(network, path):
    paddle.save(network.state_dict(), str(path))


def save_as_paddleclas_did(network, path):
    """Arrays beside a table of names, before Paddle 2.1."""
    arrays = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    table = {"StructuredToParameterName@@": {name: f"linear_{name}" for name in arrays}}
    path.write_bytes(pickle.dumps(OrderedDict(arrays | table), protocol=2))


@pytest.mark.parametrize("save", [save_as_a_run_does, save_as_paddleclas_did])
@pytest.mark.parametrize("name", [NAME, "SwinTransformer_tiny_patch4_window7_224"])
def test_training_starts_from_another_run_and_from_paddleclas_alike(tmp_path, name, save, capsys):
    first = clsctl.build(name, num_classes=7, seed=1)
    save(first, tmp_path / "w.pdparams")
    tuned = clsctl.build(name, num_classes=5, pretrained=tmp_path / "w.pdparams", seed=2)
    left_fresh = [f"{tuned.head_name}.{last}" for last in ("bias", "weight")]
    assert capsys.readouterr().err.endswith(f"classifier re-initialised: {', '.join(left_fresh)}\n")
    theirs = first.state_dict()
    for parameter, value in tuned.state_dict().items():
        if parameter not in left_fresh:
            assert np.array_equal(value.numpy(), theirs[parameter].numpy()), parameter
    logits = tuned(paddle.rand([2, 3, 64, 64]))
    assert logits.shape == [2, 5]
    logits.square().sum().backward()
    assert tuned.state_dict()[left_fresh[1]].grad is not None


def test_a_fresh_classifier_is_reproducible_too(tmp_path):
    save_as_a_run_does(clsctl.build(NAME, num_classes=7), tmp_path / "w.pdparams")
    first, again, other = (
        clsctl.build(NAME, num_classes=5, pretrained=tmp_path / "w.pdparams", seed=seed)
        for seed in (7, 7, 8)
    )
    assert np.array_equal(weights(first), weights(again))
    assert not np.array_equal(first.fc.weight.numpy(), other.fc.weight.numpy())
    assert first.fc.weight.numpy().std() > 0


def test_as_many_classes_as_the_weights_have(tmp_path):
    first = clsctl.build(NAME, num_classes=7, seed=1)
    save_as_a_run_does(first, tmp_path / "w.pdparams")
    again = clsctl.build(NAME, num_classes=None, pretrained=tmp_path / "w.pdparams")
    assert np.array_equal(weights(first), weights(again))
    assert clsctl.build(NAME, num_classes=None).fc.weight.shape[1] == 1000


def test_the_published_weights_come_from_the_store():
    network = clsctl.build("EfficientNet-Lite0", pretrained=True)
    assert network.state_dict()["head.fc.bias"].numpy().std() > 0


@pytest.mark.parametrize("name", ["CLIP_vit_base_patch16_224", "ResNet101", "PP-HGNet_base"])
def test_building_takes_the_memory_of_the_weights_and_little_more(name):
    assert peak(name) < 1.2


def test_loading_takes_the_memory_of_the_weights_and_little_more(tmp_path):
    save_as_a_run_does(clsctl.build("ResNet101"), tmp_path / "w.pdparams")
    assert peak("ResNet101", str(tmp_path / "w.pdparams")) < 1.2


def peak(*arguments):
    command = [sys.executable, "-c", PEAK, *arguments]
    return float(subprocess.run(command, capture_output=True, check=True).stdout)
