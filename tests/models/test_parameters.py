"""Which parameters a graph needs and its file holds, read without loading either."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import models
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stores import described_tensor, pdiparams, pir_graph, varint

from clsctl.models.parameters import graph_shapes, missing_parameters, stored_shapes

SHAPES = (4, 3, 2, 2), (4,), (), (0, 5)


@pytest.fixture(scope="module")
def legacy(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "legacy"
    models.export_tiny(folder, legacy=True)
    return folder


def files(folder: Path, graph: bytes, params: bytes) -> tuple[Path, Path]:
    (folder / "inference.json").write_bytes(graph)
    (folder / "inference.pdiparams").write_bytes(params)
    return folder / "inference.json", folder / "inference.pdiparams"


def test_what_paddle_writes_is_whole(tiny, legacy):
    graphs = tiny / "inference.json", legacy / "inference.pdmodel"
    shapes = [sorted(graph_shapes(graph)) for graph in graphs]
    assert shapes[0] == shapes[1]
    for graph in graphs:
        params = graph.with_suffix(".pdiparams")
        assert missing_parameters(graph, params) == ""
        assert sorted(stored_shapes(params, len(shapes[0]))) == shapes[0]


def test_every_shape_is_read(tmp_path):
    graph, params = files(tmp_path, pir_graph(*SHAPES), pdiparams(*SHAPES))
    assert graph_shapes(graph) == stored_shapes(params, 10) == list(SHAPES)
    assert missing_parameters(graph, params) == ""


def test_wherever_a_file_is_cut_off_it_is_noticed(tmp_path):
    whole = pdiparams(*SHAPES)
    for end in range(len(whole)):
        assert missing_parameters(*files(tmp_path, pir_graph(*SHAPES), whole[:end]))


def test_wherever_a_legacy_graph_is_cut_off_it_is_noticed(legacy, tmp_path):
    whole, params = (legacy / "inference.pdmodel").read_bytes(), legacy / "inference.pdiparams"
    path = tmp_path / "inference.pdmodel"
    for end in range(0, len(whole), 997):
        path.write_bytes(whole[:end])
        with pytest.raises(
            ValueError, match=r"inference.pdmodel is no graph of Paddle, or cut off"
        ):
            missing_parameters(path, params)


@pytest.mark.parametrize(
    ("shapes", "fault"),
    [
        (((4,),), "it holds 1 parameters, and the graph has 2"),
        (((4,), (4, 3)), "it holds a parameter of shape (4, 3), and the graph has none"),
        (((4,), (3, 4), (1,)), "it goes on after 2 parameters (the graph has 2)"),
    ],
)
def test_parameters_of_another_graph(tmp_path, shapes, fault):
    assert (
        missing_parameters(*files(tmp_path, pir_graph((4,), (3, 4)), pdiparams(*shapes))) == fault
    )


HUGE = b"\x10" + varint(1 << 62)


@pytest.mark.parametrize(
    "params",
    [
        described_tensor(b"\x08\x05" + HUGE) + bytes(64),
        described_tensor(b"\x08\x05" + HUGE * 9) + bytes(64),
        described_tensor(b"\x08\x05\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01") + bytes(64),
        described_tensor(b"\x08\x63\x10\x01") + bytes(64),
        described_tensor(b"\x10\x01") + bytes(64),
        bytes(16) + struct.pack("<i", -1) + bytes(64),
        bytes(16) + struct.pack("<i", 1 << 30) + bytes(64),
        bytes(4) + struct.pack("<Q", 1 << 63) + bytes(64),
        bytes(4) + struct.pack("<QQ", 1, 1 << 63) + bytes(64),
        b"\x01" + bytes(100),
        b"<html>404</html>",
    ],
)
def test_sizes_beyond_all_bounds_are_refused_before_memory_is_spent(tmp_path, params):
    graph, path = files(tmp_path, pir_graph((4,)), params)
    fault = missing_parameters(graph, path)
    assert fault == "it is cut off or damaged within parameter 1 (the graph has 1)"


@pytest.mark.parametrize(
    "graph",
    [
        b"",
        b"{}",
        b"[1]",
        b"[" * 100_000,
        b'{"program": {"regions": [{"blocks": 3}]}}',
        b'{"program": {"regions": [{"blocks": [{"ops": [{"#": "p", "O": []}]}]}]}}',
        pir_graph((4,)).replace(b"[4]", b'["\\ud800"]'),
        pir_graph((4,)).replace(b"[4]", b"[" + b"9" * 5000 + b"]"),
    ],
)
def test_what_is_no_graph(tmp_path, graph):
    with pytest.raises(ValueError, match=r"inference.json is no graph of Paddle, or cut off"):
        missing_parameters(*files(tmp_path, graph, pdiparams((4,))))


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.integers(0, len(pdiparams(*SHAPES)) - 1), st.integers(0, 255)), max_size=4
    )
)
def test_a_damaged_file_is_whole_or_has_a_fault_and_nothing_else_is_raised(changes):
    content = bytearray(pdiparams(*SHAPES))
    for place, byte in changes:
        content[place] = byte
    with tempfile.TemporaryDirectory() as folder:
        paths = files(Path(folder), pir_graph(*SHAPES), bytes(content))
        assert isinstance(missing_parameters(*paths), str)
