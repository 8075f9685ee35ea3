"""A checkpoint is data: whatever it holds, nothing is run and no other error comes out."""

from __future__ import annotations

import io
import pickle
import sys
import tracemalloc
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from clsctl_efficientnet_lite.weights import MAGIC, convert_names, read_checkpoint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clsctl.errors import ModelError


class Checkpointer(pickle.Pickler):
    """Writes tensors as PyTorch before 1.6 did."""

    def persistent_id(self, value: object) -> object:
        return value.pid if isinstance(value, Storage) else None

    def reducer_override(self, value: object) -> Any:
        if isinstance(value, Tensor):
            return sys.modules["torch._utils"]._rebuild_tensor_v2, value.arguments
        return NotImplemented


class Storage:
    def __init__(self, kind: type, key: str, size: int) -> None:
        self.pid = ("storage", kind, key, "cpu", size, None)


class Tensor:
    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """As much of PyTorch as a checkpoint names."""

    def _rebuild_tensor_v2(*arguments: object) -> None:
        raise AssertionError(arguments)

    torch, utils = ModuleType("torch"), ModuleType("torch._utils")
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})
    torch.LongStorage = type("LongStorage", (), {"__module__": "torch"})
    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = (
        "torch._utils",
        "_rebuild_tensor_v2",
    )
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return torch


def checkpoint(state: object, storages: list[tuple[str, np.ndarray]], magic: int = MAGIC) -> bytes:
    stream = io.BytesIO()
    for part in (magic, 1001, {"little_endian": True}, state, [key for key, _ in storages]):
        Checkpointer(stream, protocol=2).dump(part)
    for _, values in storages:
        stream.write(len(values).to_bytes(8, "little") + values.tobytes())
    return stream.getvalue()


FLOATS = np.arange(12, dtype=np.float32)


@pytest.fixture
def good(torch) -> bytes:
    """Two tensors that share a storage, and a counter."""
    floats, longs = Storage(torch.FloatStorage, "7", 12), Storage(torch.LongStorage, "8", 1)
    state = OrderedDict(
        weight=Tensor(floats, 0, (2, 3), (3, 1), False, OrderedDict()),
        transposed=Tensor(floats, 2, (3, 2), (1, 3), False, OrderedDict()),
        count=Tensor(longs, 0, (), (), False, OrderedDict()),
    )
    return checkpoint(state, [("7", FLOATS), ("8", np.array([41], np.int64))])


def test_tensors_are_read_with_offset_and_strides(good):
    arrays = read_checkpoint(good)
    np.testing.assert_array_equal(arrays["weight"], FLOATS[:6].reshape(2, 3))
    np.testing.assert_array_equal(arrays["transposed"], FLOATS[2:8].reshape(2, 3).T)
    assert (arrays["count"].dtype, arrays["count"].item()) == (np.int64, 41)


@pytest.mark.parametrize(
    "arguments",
    [
        (12, (1,), (1,)),
        (0, (13,), (1,)),
        (0, (2,), (12,)),
        (0, (2, 3), (1,)),
        (5, (2,), (-6,)),
        (-1, (1,), (1,)),
        (0, (1 << 62,), (0,)),
        (0, "two", (1,)),
    ],
)
def test_a_tensor_that_reaches_beyond_its_storage_is_refused(torch, arguments):
    state = {"weight": Tensor(Storage(torch.FloatStorage, "7", 12), *arguments)}
    with pytest.raises(ModelError) as caught:
        read_checkpoint(checkpoint(state, [("7", FLOATS)]))
    assert caught.value.code == "E_WEIGHTS_DAMAGED"


class Attack:
    """Unpickled anywhere else, this leaves a file behind."""

    def __init__(self, call: object, *arguments: object) -> None:
        self._call = call, arguments

    def __reduce__(self) -> tuple[object, ...]:
        return self._call


def attacks(marker: Path) -> dict[str, object]:
    import builtins
    import os
    import subprocess

    return {
        "os.system": Attack(os.system, f"touch {marker}"),
        "subprocess.run": Attack(subprocess.run, ["touch", str(marker)]),
        "builtins.exec": Attack(builtins.exec, f"open({str(marker)!r}, 'w')"),
        "builtins.open": Attack(builtins.open, str(marker), "w"),
        "pathlib.Path": Attack(Path, str(marker)),
        "builtins.getattr": Attack(builtins.getattr, OrderedDict, "fromkeys"),
    }


@pytest.mark.parametrize("name", attacks(Path()))
@pytest.mark.parametrize("place", ["before", "inside", "protocol 0"])
def test_no_other_function_is_ever_called(tmp_path, torch, name, place):
    marker = tmp_path / "was here"
    attack = attacks(marker)[name]
    content = checkpoint({"weight": attack}, [("7", FLOATS)])
    if place != "inside":
        content = pickle.dumps(attack, protocol=0 if place == "protocol 0" else 2) + content
    with pytest.raises(ModelError, match="which no checkpoint needs") as caught:
        read_checkpoint(content)
    assert caught.value.code == "E_WEIGHTS_DAMAGED"
    assert not marker.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 a zip, as PyTorch writes today",
        b"<html>",
        pickle.dumps(MAGIC),
        b"\x80\x02.",
    ],
)
def test_what_is_no_checkpoint_is_refused(content):
    with pytest.raises(ModelError):
        read_checkpoint(content)


def test_a_far_place_in_the_memo_takes_no_memory():
    far = b"\x80\x02K\x01r\xff\xff\xff\x00."
    tracemalloc.start()
    try:
        with pytest.raises(ModelError):
            read_checkpoint(far)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_another_magic_number_is_refused(torch):
    with pytest.raises(ModelError, match="it does not begin as a PyTorch checkpoint"):
        read_checkpoint(checkpoint({}, [], magic=5))


quick = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(data=st.data())
def test_a_cut_file_is_refused(good, data):
    end = data.draw(st.integers(0, len(good) - 1))
    with pytest.raises(ModelError):
        read_checkpoint(good[:end])


@quick
@given(data=st.data())
def test_a_scratched_file_is_refused_or_holds_arrays(good, data):
    content = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        arrays = read_checkpoint(bytes(content))
    except ModelError:
        return
    assert all(isinstance(array, np.ndarray) for array in arrays.values())


def test_names_are_this_plugin_s_and_linear_weights_are_turned():
    names = ["_conv_stem.weight", "_bn0.running_var", "_blocks.12._bn2.bias", "_bn1.running_mean"]
    arrays = {name: np.zeros(3, np.float32) for name in names}
    arrays |= {"_fc.weight": np.zeros((5, 3)), "_bn0.num_batches_tracked": np.array(9)}
    converted = convert_names(arrays)
    assert {name: value.shape for name, value in converted.items()} == {
        "stem.conv.weight": (3,),
        "stem.norm._variance": (3,),
        "blocks.12.project.norm.bias": (3,),
        "head.conv.norm._mean": (3,),
        "head.fc.weight": (3, 5),
    }


def test_a_name_of_another_network_is_refused():
    with pytest.raises(
        ModelError, match=r"'layer1\.weight', which EfficientNet-Lite0 does not have"
    ):
        convert_names({"layer1.weight": np.zeros(1)})
