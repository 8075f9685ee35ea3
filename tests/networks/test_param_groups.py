"""Freezing and parameter groups, seen through what an optimizer then does to the weights."""

from __future__ import annotations

import copy

import numpy as np
import paddle
import pytest

import clsctl
from clsctl.errors import UsageError
from clsctl.exporting.network import export_network
from clsctl.networks.param_groups import freeze_until, parameter_groups

# A network with batch statistics, and every family whose recipe spares something.
RESNET = "ResNet18"
SPARING = {
    "CLIP_vit_base_patch16_224": {"pos_embed", "cls_token"},
    "ConvNeXt_tiny": set(),
    "FasterNet-T0": set(),
    "MobileNetV4_conv_small": set(),
    "StarNet-S1": set(),
    "SwinTransformer_tiny_patch4_window7_224": {"relative_position_bias_table"},
}
DECAYING_ALL = ["MobileNetV3_small_x0_35", "PP-HGNetV2-B0", "PP-LCNet_x0_25", RESNET]


def build_lazy(name):
    with paddle.LazyGuard():
        return clsctl.build(name)


def weights(network):
    return {name: value.numpy().copy() for name, value in network.state_dict().items()}


def changed(before, network):
    after = weights(network)
    return {name for name in before if not np.array_equal(before[name], after[name])}


def train_a_step(network, **options):
    network.train()
    groups = parameter_groups(network, weight_decay=0.1, **options)
    optimizer = paddle.optimizer.Momentum(0.1, parameters=groups)
    paddle.seed(1)
    network(paddle.rand([2, 3, 64, 64])).square().sum().backward()
    optimizer.step()


# ---- freezing ------------------------------------------------------------------------------------


def test_what_lies_before_the_stage_keeps_its_weights_and_its_batch_statistics():
    network = clsctl.build(RESNET, num_classes=4, seed=0)
    freeze_until(network, "stage3")
    before = weights(network)
    train_a_step(network)
    frozen = {name for name in before if name.startswith(("stem.", "blocks.0.", "blocks.1."))}
    frozen |= {name for name in before if name.startswith(("blocks.2.", "blocks.3."))}
    assert changed(before, network) == before.keys() - frozen
    assert any("_mean" in name for name in frozen)


def test_a_frozen_stage_drops_nothing():
    network = clsctl.build("StarNet-S1", num_classes=4, seed=0, drop_path_rate=0.9)
    freeze_until(network, "head")
    network.train()
    images = paddle.rand([4, 3, 64, 64])
    with paddle.no_grad():
        assert paddle.equal_all(
            network.stages(network.stem(images)), network.stages(network.stem(images))
        )


def test_freezing_until_the_stem_freezes_nothing():
    network = clsctl.build(RESNET, num_classes=4, seed=0)
    freeze_until(network, "stem")
    before = weights(network)
    train_a_step(network)
    assert changed(before, network) == before.keys()


def test_a_frozen_network_gives_the_same_logits_and_can_be_copied_and_exported(tmp_path):
    network = clsctl.build("PP-LCNetV2_small", num_classes=4, seed=0).eval()
    images = paddle.rand([2, 3, 64, 64])
    with paddle.no_grad():
        before = network(images)
        freeze_until(network, "head")
        network.train()
        twin = copy.deepcopy(network)
        assert paddle.equal_all(twin.eval()(images), before)
    export_network(network, tmp_path, "frozen", [], [], (64, 64))
    with paddle.no_grad():
        exported = paddle.jit.load(str(tmp_path / "inference"))(images)
    np.testing.assert_allclose(exported, paddle.nn.functional.softmax(before), atol=1e-5)


def test_an_unknown_stage_gets_the_names_of_all():
    with pytest.raises(UsageError) as caught:
        freeze_until(build_lazy(RESNET), "stage9")
    assert caught.value.code == "E_STAGE_UNKNOWN"
    assert caught.value.hint == (
        "stages of this network, in order: stem, stage1, stage2, stage3, stage4, head"
    )


# ---- groups --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*SPARING, *DECAYING_ALL])
def test_every_trainable_parameter_is_in_one_group(name):
    network = build_lazy(name)
    grouped = [id(p) for group in parameter_groups(network, 0.1) for p in group["params"]]
    trainable = [id(p) for p in network.parameters() if not p.stop_gradient]
    assert sorted(grouped) == sorted(trainable)


@pytest.mark.parametrize(("name", "more"), SPARING.items())
def test_norms_biases_and_what_the_family_names_are_not_decayed(name, more):
    network = build_lazy(name)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    decays = {
        names[id(parameter)]: group["weight_decay"]
        for group in parameter_groups(network, 0.05)
        for parameter in group["params"]
    }
    spared = {name for name, decay in decays.items() if decay == 0.0}
    named = {name for name in decays if name.rpartition(".")[2] in more}
    vectors = {name for name, p in network.named_parameters() if p.ndim == 1 and name in decays}
    assert spared == named | vectors
    assert {decays[name] for name in decays.keys() - spared} == {0.05}
    assert {name.rpartition(".")[2] for name in named} == more


@pytest.mark.parametrize("name", DECAYING_ALL)
def test_the_other_recipes_decay_everything(name):
    (group,) = parameter_groups(build_lazy(name), 3e-5)
    assert (group["weight_decay"], group["learning_rate"]) == (3e-5, 1.0)


def test_frozen_parameters_are_in_no_group():
    network = build_lazy(RESNET)
    freeze_until(network, "head")
    (group,) = parameter_groups(network, 0.1)
    assert [list(parameter.shape) for parameter in group["params"]] == [[512, 1000], [1000]]


def test_layer_decay_slows_each_stage_of_clip_as_its_published_recipe_does():
    network = build_lazy("CLIP_vit_base_patch16_224")
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    rates = {
        names[id(parameter)]: group["learning_rate"]
        for group in parameter_groups(network, 0.05, layer_decay=0.6)
        for parameter in group["params"]
    }
    published = {"pos_embed": 0.00131, "blocks.0.norm1.bias": 0.00218, "blocks.11.norm1.bias": 0.6}
    for name, rate in {**published, "head.fc_head.weight": 1.0}.items():
        assert rates[name] == pytest.approx(rate, abs=5e-6)


@pytest.mark.parametrize("optimizer", [paddle.optimizer.AdamW, paddle.optimizer.Momentum])
def test_paddle_s_optimizers_obey_the_groups(optimizer):
    """Where the gradient is 0, decay alone moves a weight: by rate x decay of itself."""
    network = clsctl.build("StarNet-S1", num_classes=4, seed=0)
    before = weights(network)
    groups = parameter_groups(network, weight_decay=0.5, layer_decay=0.1)
    optimizer = optimizer(0.1, parameters=groups)
    sum(p.sum() * 0.0 for p in network.parameters()).backward()
    optimizer.step()
    after = weights(network)
    for name, slowness in {
        "head.weight": 0,
        "stages.3.1.f1.conv.weight": 1,
        "stem.0.conv.weight": 5,
    }.items():
        expected = before[name] * (1 - 0.1 * 0.1**slowness * 0.5)
        np.testing.assert_allclose(after[name], expected, rtol=1e-6)
    for name in ("head.bias", "norm.weight", "stem.0.bn.weight"):
        assert np.array_equal(after[name], before[name])
