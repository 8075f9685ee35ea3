"""Each layer does on oneDNN what it does on stock Paddle, up to rounding."""

import copy
import warnings
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import numpy as np
import paddle
import pytest
import rounding
from hypothesis import given, settings
from hypothesis import strategies as st
from paddle import Tensor, nn

from clsctl.networks.base import SqueezeExcite
from clsctl.onednn.switch import accelerated, left_to_paddle

pytestmark = pytest.mark.usefixtures("transposing")

sizes = st.integers(7, 20)
kernels = st.sampled_from([1, 2, 3, 4, 5, 7])
sides = st.integers(0, 3)


def results(
    layer: nn.Layer, x: Tensor, gradient: Tensor, on: AbstractContextManager
) -> dict[str, np.ndarray]:
    """Output, gradients and running statistics; the layer's state stays as it was."""
    state = {name: value.clone() for name, value in layer.state_dict().items()}
    layer.clear_gradients()
    x = x.detach()
    x.stop_gradient = False
    with on, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = layer(x)
    y.backward(gradient)
    gradients = {name: value.grad for name, value in layer.named_parameters()}
    found = {
        "output": y.numpy(),
        "gradient of the input": x.grad.numpy(),
        **{f"gradient of {n}": grad.numpy() for n, grad in gradients.items() if grad is not None},
        **{name: value.numpy() for name, value in layer.state_dict().items()},
    }
    layer.set_state_dict(state)
    return found


def nudged_results(layer: nn.Layer, x: Tensor, gradient: Tensor, rng: np.random.Generator):
    """The same of stock Paddle, from inputs, parameters and a gradient that are nudged."""
    state = {name: value.clone() for name, value in layer.state_dict().items()}
    for value in layer.state_dict().values():
        value.set_value(rounding.nudged(value.numpy(), rng))
    x, gradient = (paddle.to_tensor(rounding.nudged(t.numpy(), rng)) for t in (x, gradient))
    found = results(layer, x, gradient, nullcontext())
    layer.set_state_dict(state)
    return found


def output_shape(layer: nn.Layer, x: Tensor) -> list[int]:
    return list(copy.deepcopy(layer)(x).shape)


def check(layer: nn.Layer, x: Tensor) -> None:
    gradient = paddle.randn(output_shape(layer, x))
    expected = results(layer, x, gradient, nullcontext())
    found = results(layer, x, gradient, accelerated(layer))
    assert not left_to_paddle(layer)
    assert found.keys() == expected.keys()
    limits = rounding.allowed(expected, partial(nudged_results, layer, x, gradient))
    for name, value in expected.items():
        assert found[name].shape == value.shape
        assert np.abs(found[name] - value).max() <= limits[name], name


@settings(max_examples=150)
@given(
    data=st.data(),
    batch=st.integers(1, 3),
    groups=st.sampled_from(["one", "some", "depthwise"]),
    kernel=st.tuples(kernels, kernels),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.one_of(sides, st.tuples(sides, sides), st.tuples(sides, sides, sides, sides)),
    bias=st.booleans(),
)
def test_convolutions(data, batch, groups, kernel, stride, padding, bias):
    channels = data.draw(st.sampled_from([4, 6, 16, 24]))
    parts = {"one": 1, "some": 2, "depthwise": channels}[groups]
    outputs = channels if groups == "depthwise" else data.draw(st.sampled_from([2, 8, 20]))
    padding = padding if isinstance(padding, int) else list(padding)
    layer = nn.Conv2D(
        *(channels, outputs, kernel),
        stride=stride,
        padding=padding,
        groups=parts,
        bias_attr=None if bias else False,
    )
    check(layer, paddle.randn([batch, channels, data.draw(sizes), data.draw(sizes)]))


@pytest.mark.parametrize("size", [(8, 8), (8, 7), (14, 14)])
@pytest.mark.parametrize("stride", [(2, 1), (1, 2), (2, 2)])
def test_a_point_with_a_stride(size, stride):
    """With AVX2 alone, oneDNN crashes in the weights' gradient of its own way for these."""
    for channels, outputs in ((4, 2), (16, 8), (64, 32)):
        layer = nn.Conv2D(channels, outputs, 1, stride=stride, bias_attr=False)
        check(layer, paddle.randn([2, channels, *size]))


@pytest.mark.parametrize("padding", ["SAME", "VALID", [[0, 0], [0, 0], [1, 2], [0, 1]]])
def test_padding_in_words_and_by_axis(padding):
    check(nn.Conv2D(3, 8, 3, stride=2, padding=padding, dilation=2), paddle.randn([2, 3, 15, 12]))


@settings(max_examples=40)
@given(
    pool=st.sampled_from([nn.MaxPool2D, nn.AvgPool2D]),
    kernel=st.integers(2, 3),
    stride=st.sampled_from([None, 1, 2]),
    padding=st.sampled_from([0, 1, [0, 1, 0, 1], "SAME"]),
    size=st.tuples(sizes, sizes),
)
def test_pooling(pool, kernel, stride, padding, size):
    check(pool(kernel, stride=stride, padding=padding), paddle.randn([2, 5, *size]))


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (partial(nn.AvgPool2D, 3, stride=1, padding=1, exclusive=False), (2, 5, 9, 8)),
        (partial(nn.AdaptiveAvgPool2D, 1), (2, 5, 9, 8)),
        (partial(nn.AdaptiveAvgPool2D, 1), (2, 5, 1, 1)),
        (partial(nn.BatchNorm2D, 6), (3, 6, 5, 7)),
        (partial(nn.BatchNorm2D, 16, momentum=0.6, epsilon=1e-3), (2, 16, 1, 3)),
        (partial(nn.BatchNorm2D, 16, use_global_stats=True), (2, 16, 4, 3)),
        (partial(SqueezeExcite, 8, nn.Hardsigmoid), (3, 8, 5, 7)),
        (partial(SqueezeExcite, 12, nn.Sigmoid), (2, 12, 1, 1)),
        (partial(nn.Linear, 12, 7), (5, 12)),
        (partial(nn.Linear, 12, 7, bias_attr=False), (2, 3, 12)),
        (partial(nn.LayerNorm, 8), (3, 5, 8)),
        (partial(nn.LayerNorm, 96, epsilon=1e-6), (2, 3, 5, 96)),
        (partial(nn.ReLU), (3, 17)),
        (partial(nn.ReLU6), (3, 4, 5)),
        (partial(nn.Sigmoid), (2, 3, 4, 5)),
        (partial(nn.Silu), (2, 3, 4, 5)),
        (partial(nn.Swish), (2, 3, 4, 5)),
        (partial(nn.GELU), (2, 9, 5)),
        (partial(nn.GELU, approximate=True), (2, 9, 5)),
        (partial(nn.Hardswish), (2, 3, 4, 5)),
        (partial(nn.Hardsigmoid), (2, 3, 1, 1)),
    ],
    ids=lambda value: value.func.__name__ if isinstance(value, partial) else str(value),
)
def test_other_layers(make, shape):
    paddle.seed(1)
    check(make(), paddle.randn(shape) * 3)


def test_evaluation_uses_and_keeps_the_running_statistics():
    layer = nn.BatchNorm2D(6)
    layer._mean.set_value(paddle.randn([6]))
    layer.eval()
    check(layer, paddle.randn([3, 6, 5, 7]))


def test_frozen_weights_get_no_gradient_and_pass_one_on():
    layer = nn.Sequential(nn.Conv2D(3, 4, 3), nn.BatchNorm2D(4), nn.ReLU())
    for parameter in layer.parameters():
        parameter.stop_gradient = True
    check(layer, paddle.randn([2, 3, 9, 9]))


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2D(3, 4, 3, padding=1, padding_mode="reflect"),
        nn.MaxPool2D(2, ceil_mode=True),
        nn.AdaptiveAvgPool2D(2),
        nn.BatchNorm2D(3, weight_attr=False, bias_attr=False),
        nn.GroupNorm(1, 3),
        nn.LayerNorm([7, 7]),
        nn.LayerNorm(7, weight_attr=False),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_what_onednn_does_not_do_is_left_to_paddle(layer):
    x = paddle.randn([2, 3, 7, 7])
    expected = layer(x).numpy()
    with accelerated(layer):
        found = layer(x).numpy()
    assert left_to_paddle(layer) == [type(layer).__name__]
    np.testing.assert_array_equal(found, expected)
