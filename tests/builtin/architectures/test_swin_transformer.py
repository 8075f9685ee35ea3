"""Swin's windows: right at every size, and exported without arithmetic on shapes."""

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clsctl.builtin.architectures.swin_transformer import Block, SwinTransformer


def dense_block(block, x):
    """What `block` should do to a map [1, H, W, C], with every token facing every other.

    Tokens may attend where they share a window of the shifted grid; no window is ever cut out.
    """
    attention, window = block.attn, block.window
    _, height, width, channels = x.shape
    padded = np.zeros([-(-height // window) * window, -(-width // window) * window, channels])
    padded[:height, :width] = block.norm1(x)[0].numpy()
    rows, columns = np.divmod(np.arange(padded.shape[0] * padded.shape[1]), padded.shape[1])

    tokens = paddle.to_tensor(padded.reshape([-1, channels]), dtype="float32")
    qkv = attention.qkv(tokens).numpy().reshape([len(tokens), 3, attention.heads, -1])
    q, k, v = qkv.transpose([1, 2, 0, 3])
    down, right = rows[:, None] - rows, columns[:, None] - columns
    row_group, column_group = (rows - block.shift) // window, (columns - block.shift) // window
    together = (row_group[:, None] == row_group) & (column_group[:, None] == column_group)
    position = (down + window - 1) * (2 * window - 1) + right + window - 1
    bias = attention.relative_position_bias_table.numpy()[np.where(together, position, 0)]
    scores = q @ k.transpose([0, 2, 1]) / np.sqrt(q.shape[-1]) + bias.transpose([2, 0, 1])
    weights = np.exp(np.where(together, scores, -np.inf))
    weights /= weights.sum(-1, keepdims=True)

    mixed = (weights @ v).transpose([1, 0, 2]).reshape(padded.shape)[:height, :width]
    x = x + attention.proj(paddle.to_tensor(mixed, dtype="float32"))
    return x + block.mlp(block.norm2(x))


@settings(max_examples=40)
@given(
    height=st.integers(1, 11),
    width=st.integers(1, 11),
    window=st.integers(2, 5),
    shifted=st.booleans(),
)
def test_a_block_attends_within_the_windows_of_any_map(height, width, window, shifted):
    paddle.seed(height * 100 + width)
    block = Block(8, heads=2, window=window, shifted=shifted, drop_path_rate=0.0)
    table = block.attn.relative_position_bias_table
    table.set_value(paddle.randn(table.shape))
    x = paddle.randn([1, height, width, 8])
    with paddle.no_grad():
        np.testing.assert_allclose(block(x).numpy(), dense_block(block, x).numpy(), atol=2e-5)


@pytest.mark.parametrize("size", [64, 50])
def test_the_onnx_export_agrees_at_any_size_and_batch(tmp_path, size):
    onnxruntime = pytest.importorskip("onnxruntime")
    network = small_swin()
    model = export_onnx(network, size, tmp_path)
    x = np.random.default_rng(0).standard_normal([3, 3, size, size], dtype=np.float32)
    with paddle.no_grad():
        expected = network(paddle.to_tensor(x)).numpy()
    session = onnxruntime.InferenceSession(model)
    for batch in (1, 3):
        (logits,) = session.run(None, {"x": x[:batch]})
        np.testing.assert_allclose(logits, expected[:batch], atol=1e-5)


def test_the_onnx_export_has_no_arithmetic_on_shapes(tmp_path):
    """OpenVINO refuses sequence operators and ReduceProd, which shape arithmetic exports to."""
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(export_onnx(small_swin(), 64, tmp_path)).graph
    operators = {node.op_type for node in graph.node}
    assert "MatMul" in operators
    assert not {name for name in operators if "Sequence" in name}
    assert not operators & {"Shape", "Size", "ReduceProd", "If", "Loop"}


def small_swin():
    paddle.seed(0)
    network = SwinTransformer(7, width=16, depths=(2, 2), heads=(2, 4), window=4)
    network.eval()
    return network


def export_onnx(network, size, folder):
    paddle2onnx = pytest.importorskip("paddle2onnx")
    spec = paddle.static.InputSpec([None, 3, size, size], "float32", name="x")
    static = paddle.jit.to_static(network, input_spec=[spec], full_graph=True)
    paddle.jit.save(static, str(folder / "inference"))
    paddle2onnx.export(
        str(folder / "inference.json"),
        str(folder / "inference.pdiparams"),
        str(folder / "model.onnx"),
        opset_version=17,
        optimize_tool="None",
        verbose=False,
    )
    return str(folder / "model.onnx")
