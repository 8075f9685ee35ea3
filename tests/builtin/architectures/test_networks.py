"""What every built-in network promises, and how it agrees with the references in tests/golden."""

from __future__ import annotations

import paddle
import pytest
from families import FAMILIES, GMACS, SMALL, build_lazy, built
from fingerprint import check_fingerprint
from golden_rules import (
    NAMES,
    fill_array,
    make_input,
    manifest,
    relative_error,
    state_of,
    tolerance,
)
from paddle import nn

REFERENCED = [name for name in NAMES if name in FAMILIES]

# What runs in a moment; `make golden` runs all 80.
QUICK = [name for name in REFERENCED if GMACS[name] <= 5]

# Published tensors that no output depends on.
UNUSED = {"proj", "dw_conv"}


@pytest.fixture(scope="module", params=SMALL)
def network(request):
    return built(request.param)


def images() -> paddle.Tensor:
    """Of a size that no network was published for."""
    return paddle.to_tensor(make_input(1, [2, 3, 96, 96]))


# ---- names, shapes and settings, of all networks -----------------------------------------------


def test_every_catalog_model_is_registered():
    assert len(NAMES) == 80
    assert [name for name in NAMES if name not in FAMILIES] == []


@pytest.mark.parametrize("name", REFERENCED)
def test_state_dict_is_the_published_one(name):
    assert state_of(build_lazy(name)) == manifest(name)["state_dict"]


@pytest.mark.parametrize("name", REFERENCED)
def test_normalisation_has_the_published_settings(name):
    layers = build_lazy(name).sublayers()
    epsilons = {norm.rpartition("eps=")[2].split()[0] for norm in manifest(name)["norm_layers"]}
    norms = [layer for layer in layers if isinstance(layer, nn.LayerNorm | nn.BatchNorm2D)]
    assert {layer._epsilon for layer in norms} == {float(epsilon) for epsilon in epsilons}
    assert {layer._momentum for layer in norms if isinstance(layer, nn.BatchNorm2D)} <= {0.9}


@pytest.mark.parametrize("name", REFERENCED)
def test_dropout_scales_at_inference_where_the_published_does(name):
    layers = build_lazy(name).sublayers()
    published = [[p, mode] for _, p, mode in manifest(name)["active_dropouts"]]
    ours = [[layer.p, layer.mode] for layer in layers if isinstance(layer, nn.Dropout) and layer.p]
    scaling = "downscale_in_infer"
    assert [d for d in ours if d[1] == scaling] == [d for d in published if d[1] == scaling]


@pytest.mark.parametrize("name", FAMILIES)
def test_stages_partition_the_state_dict(name):
    network = build_lazy(name)
    stages = network.stage_prefixes()
    bodies = [f"stage{number}" for number in range(1, len(stages) - 1)]
    assert list(stages) == ["stem", *bodies, "head"]
    owners = {
        parameter: [
            stage
            for stage, prefixes in stages.items()
            for prefix in prefixes
            if f"{parameter}.".startswith(f"{prefix}.")
        ]
        for parameter in network.state_dict()
    }
    assert {parameter: found for parameter, found in owners.items() if len(found) != 1} == {}
    assert {found[0] for found in owners.values()} == set(stages)


@pytest.mark.parametrize("name", FAMILIES)
def test_number_of_classes_changes_the_head_only(name):
    usual, seven = state_of(build_lazy(name)), state_of(build_lazy(name, num_classes=7))
    head, width = build_lazy(name).head_name, build_lazy(name).num_features
    changed = [ours for ours, other in zip(seven, usual, strict=True) if ours != other]
    assert changed == [
        [f"{head}.weight", [width, 7], "float32"],
        [f"{head}.bias", [7], "float32"],
    ]


# ---- what networks compute ---------------------------------------------------------------------


def test_rules_are_those_of_the_references():
    check_fingerprint(fill_array, make_input)


@pytest.mark.parametrize("name", sorted({*QUICK, *SMALL} & {*REFERENCED}))
def test_logits_are_the_reference_logits(name):
    assert relative_error(built(name), name) <= tolerance(name)


def test_forward_is_made_of_its_parts(network):
    network.eval()
    classifier = dict(network.named_sublayers())[network.head_name]
    with paddle.no_grad():
        logits = network(images())
        features = network.forward_features(images())
        embedding = network.features(images())
        assert network.feature_map(features).ndim == 4
        assert embedding.shape == [2, network.num_features]
        assert paddle.equal_all(network.forward_head(features), logits)
        assert paddle.equal_all(classifier(embedding), logits)


def test_training_reaches_every_parameter(network):
    network.train()
    network(images()).square().mean().backward()
    untouched = [
        parameter
        for parameter, value in network.named_parameters()
        if not value.stop_gradient and value.grad is None
    ]
    assert [parameter for parameter in untouched if not UNUSED & {*parameter.split(".")}] == []


def test_networks_do_not_change_each_other():
    networks = {name: built(name).eval() for name in SMALL if name in QUICK}
    with paddle.no_grad():
        before = {name: network(images()) for name, network in networks.items()}
        for name in FAMILIES:
            build_lazy(name, num_classes=7)
        for name, network in networks.items():
            assert paddle.equal_all(network(images()), before[name]), name
            assert paddle.equal_all(built(name).eval()(images()), before[name]), name
