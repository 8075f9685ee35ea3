from __future__ import annotations

import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path

import limits
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
        "note: w.pdparams has another number of classes; classifier re-initialised: "
        "fc.bias, fc.weight\n"
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


# ---- pickles that are programs -----------------------------------------------------------------

HEAD = b"\x80\x04"
ENCODE = b"c_codecs\nencode\nq\x01"
DTYPE = b"cnumpy\ndtype\n"
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n)Rq\x02"
TWICE = b"q\x00h\x00\x86"  # a pair of what is there, with itself
BYTES = b"B" + struct.pack("<I", 4) + bytes(4)


def text(content: str) -> bytes:
    return b"X" + struct.pack("<I", len(content)) + content.encode()


def entry(value: bytes) -> bytes:
    """A mapping with one entry."""
    return HEAD + b"}" + text("fc.weight") + value + b"s."


HOSTILE = {
    "a place far up in the memo": HEAD + b"}r" + struct.pack("<I", 0x10000000) + b".",
    "a key whose hash never ends": HEAD + b"}K\x01" + TWICE * 60 + b"K\x01s.",
    "a key that never ends in print": HEAD + b"}K\x01" + TWICE * 26 + b"K\x01s.",
    "the same by DUP": HEAD + b"}K\x01" + b"2\x86" * 60 + b"K\x01s.",
    "a value that never ends": entry(b"K\x01" + TWICE * 60),
    "a type that never ends": entry(DTYPE + b"K\x01" + TWICE * 60 + b"\x85R"),
    "a key of a million levels": HEAD + b"}K\x01" + b"\x85" * 1_000_000 + b"K\x01s.",
    "a value of a million levels": entry(b"K\x01" + b"\x85" * 1_000_000),
    "a list of a million levels": entry(b"]" * 1_000_000 + b"a" * 999_999),
    "a key that is a number": HEAD + b"}K\x01" + BYTES + b"s.",
    "keys by way of a call": HEAD + b"ccollections\nOrderedDict\n]K\x01K\x01\x86a\x85R.",
    "a text turned into bytes without end": HEAD
    + (text("x" * 100_000) + b"q\x00" + text("latin1") + b"q\x03" + ENCODE)
    + b"}("
    + b"".join(text(str(n)) + b"h\x01h\x00h\x03\x86R" for n in range(30_000))
    + b"u.",
    "many arrays of the same bytes": HEAD
    + (b"B" + struct.pack("<I", 100_000) + bytes(100_000) + b"q\x00")
    + (DTYPE + text("u1") + b"\x85Rq\x05}(")
    + b"".join(
        text(str(n)) + ARRAY + b"(K\x01J" + struct.pack("<i", 100_000) + b"\x85h\x05\x89h\x00tb"
        for n in range(1_000)
    )
    + b"u.",
    "a shape of -1": entry(
        ARRAY + b"(K\x01J\xff\xff\xff\xff\x85" + DTYPE + text("f4") + b"\x85R\x89" + BYTES + b"tb"
    ),
    "a change of a function": entry(b"c_codecs\nencode\n}" + text("x") + b"K\x01sb"),
    "4 GB that are not there": entry(b"B\xff\xff\xff\xff"),
    "a frame of 4 GB": HEAD + b"\x95" + struct.pack("<Q", 1 << 32) + b"}.",
    "a long name": HEAD + b"}" + text("x" * 1_000_000) + b"K\x01s.",
    "values without end": HEAD + b"}" + b"N0" * 500_000 + b".",
    "an unknown order of bytes": entry(DTYPE + text("f4") + b"\x85R(K\x03K\x01tb"),
    "an opcode of weights that are none": entry(b"N\x93"),
}
READ = """
import sys
from pathlib import Path
from clsctl.errors import ModelError
from clsctl.networks.pdparams import read_pdparams
try:
    read_pdparams(Path(sys.argv[1]))
except ModelError as error:
    print(error.code, error.message)
"""


@pytest.mark.parametrize("case", HOSTILE)
def test_a_pickle_that_is_a_hostile_program_is_refused_at_once(tmp_path, case):
    path = tmp_path / "evil.pdparams"
    path.write_bytes(HOSTILE[case])
    done = limits.run_python(READ, path, memory_mb=500, cpu_s=20)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"E_CHECKPOINT the weights '{path}' cannot be used: ")
    assert len(done.stdout) < 1000


def test_a_missing_file(tmp_path):
    with pytest.raises(ModelError, match="No such file"):
        read_pdparams(tmp_path / "none.pdparams")
