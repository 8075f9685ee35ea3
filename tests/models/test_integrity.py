"""What is derived from a model is kept under what its files are, whatever a record claims."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from clsctl.errors import ModelError
from clsctl.models import integrity
from clsctl.models.directory import read_model_dir, write_settings
from clsctl.models.integrity import fresh_weights_sha256, require_complete, weights_sha256
from clsctl.system.files import file_facts


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(tiny, tmp_path / "model"))


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every file had last changed long ago."""
    monkeypatch.setattr(integrity, "SETTLED_NS", -(10**18))


def key(folder: Path) -> str:
    return weights_sha256(read_model_dir(folder))


def memories(home: Path) -> list[Path]:
    return sorted((home / "cache" / "checksums").glob("*"))


def change_keeping_all_else(path: Path) -> None:
    """Another content of the same size, with the times that the file had."""
    before = path.stat()
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def fault(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        require_complete(read_model_dir(folder))
    assert caught.value.code == "E_WEIGHTS_INVALID"
    return caught.value.message


# ---- the key -----------------------------------------------------------------------------------


def test_the_key_depends_on_graph_and_weights_only(folder):
    before = key(folder)
    write_settings(folder, "other", [{"ToCHWImage": None}], ["a"])
    assert key(folder) == before
    for name in ("inference.json", "inference.pdiparams"):
        change_keeping_all_else(folder / name) if name == "inference.pdiparams" else (
            folder / name
        ).write_bytes((folder / name).read_bytes() + b" ")
        after = key(folder)
        assert after != before
        before = after


@pytest.mark.parametrize("record", ["of another model", "damaged", "older"])
def test_no_record_beside_the_files_is_believed(folder, settled, record):
    before = key(folder)
    claims = json.dumps({"files": file_facts(folder, "")})
    change_keeping_all_else(folder / "inference.pdiparams")
    (folder / "clsctl.json").write_text("{" if record == "damaged" else claims)
    if record == "older":
        os.utime(folder / "clsctl.json", (0, 0))
    assert key(folder) == fresh_weights_sha256(read_model_dir(folder)) != before


def test_what_was_read_once_is_remembered(folder, home, settled):
    found = key(folder)
    [memory] = memories(home)
    assert json.loads(memory.read_text())["sha256"] == found
    memory.write_text(memory.read_text().replace(found, "remembered"))
    assert key(folder) == "remembered"
    assert fresh_weights_sha256(read_model_dir(folder)) == found


@pytest.mark.parametrize("name", ["inference.json", "inference.pdiparams"])
def test_a_file_that_was_written_or_replaced_is_read_again(folder, tiny, settled, name):
    before = key(folder)
    os.utime(folder / name, (0, 0))
    assert key(folder) == before
    spare = folder / "spare"
    shutil.copy2(folder / name, spare)
    if name == "inference.json":
        spare.write_bytes(spare.read_bytes().replace(b"NCHW", b"NHWC", 1))
    else:
        change_keeping_all_else(spare)
    shutil.copystat(folder / name, spare)
    spare.rename(folder / name)
    assert key(folder) != before


def test_a_file_that_has_just_changed_is_not_remembered(folder, home):
    assert key(folder) == fresh_weights_sha256(read_model_dir(folder))
    assert memories(home) == []


def test_a_model_that_is_gone_is_forgotten(folder, tiny, home, settled):
    key(folder)
    [of_folder] = memories(home)
    key(tiny)
    assert len(memories(home)) == 2
    shutil.rmtree(folder)
    (home / "cache" / "checksums" / "nonsense.json").write_text("[")
    other = Path(shutil.copytree(tiny, folder.with_name("other")))
    key(other)
    assert len(memories(home)) == 2
    assert of_folder not in memories(home)


@pytest.mark.parametrize("memory", ["", "[", "[]", "{}", '{"sha256": "x", "files": []}'])
def test_a_damaged_memory_is_none(folder, home, settled, memory):
    before = key(folder)
    memories(home)[0].write_text(memory)
    assert key(folder) == before


def test_a_cache_that_cannot_be_written_costs_time_only(folder, home, settled):
    (home / "cache").write_text("a file where the folder should be\n")
    assert key(folder) == fresh_weights_sha256(read_model_dir(folder))


def test_a_model_that_is_removed_meanwhile_is_one_error(folder):
    spec = read_model_dir(folder)
    shutil.rmtree(folder)
    for use in (weights_sha256, fresh_weights_sha256, require_complete):
        with pytest.raises(ModelError, match="cannot be read: No such file") as caught:
            use(spec)
        assert caught.value.code == "E_MODEL_DIR_INVALID"


# ---- whole or not ------------------------------------------------------------------------------


def test_parameters_that_are_cut_off(folder):
    params = folder / "inference.pdiparams"
    params.write_bytes(params.read_bytes()[:-1])
    assert fault(folder).endswith(
        "inference.pdiparams: it is cut off or damaged within parameter 137 (the graph has 137)"
    )
    with pytest.raises(ModelError, match="cut off"):
        key(folder)


def test_a_file_that_has_not_the_recorded_size(folder):
    (folder / "clsctl.json").write_text(json.dumps({"files": file_facts(folder, "")}))
    require_complete(read_model_dir(folder))
    graph = folder / "inference.json"
    size = graph.stat().st_size
    graph.write_bytes(graph.read_bytes() + b" ")
    assert fault(folder).endswith(
        f"inference.json has {size + 1:,} bytes, and clsctl.json says that it had {size:,}"
    )


@pytest.fixture
def external(tmp_path: Path) -> Path:
    """An ONNX file that keeps a tensor of its graph, and one of a branch, in other files."""
    folder = tmp_path / "external"
    folder.mkdir()

    def tensor(name: str, file: str) -> TensorProto:
        made = helper.make_tensor(name, TensorProto.FLOAT, [4], bytes(16), raw=True)
        onnx.external_data_helper.set_external_data(made, file, offset=0, length=16)
        made.ClearField("raw_data")
        (folder / file).write_bytes(bytes(16))
        return made

    def branch(name: str, file: str) -> onnx.GraphProto:
        value = helper.make_node("Constant", [], [name], value=tensor("v", file))
        out = helper.make_tensor_value_info(name, TensorProto.FLOAT, [4])
        return helper.make_graph([value], name, [], [out])

    where = helper.make_node(
        "If", ["c"], ["z"], then_branch=branch("t", "a.bin"), else_branch=branch("e", "b.bin")
    )
    condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    result = helper.make_tensor_value_info("z", TensorProto.FLOAT, [4])
    graph = helper.make_graph([where], "g", [condition], [result], [tensor("w", "weights.bin")])
    (folder / "inference.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    write_settings(folder, "external", [{"ToCHWImage": None}], ["a"])
    return folder


@pytest.mark.parametrize("file", ["weights.bin", "a.bin", "b.bin"])
def test_parameters_in_files_of_their_own_belong_to_the_model(external, settled, file):
    before = key(external)
    change_keeping_all_else(external / file)
    assert key(external) != before
    (external / file).write_bytes(bytes(15))
    assert fault(external).endswith(f"inference.onnx needs 16 bytes of '{file}'")


@pytest.mark.parametrize("place", ["../weights.bin", "/etc/passwd"])
def test_parameters_outside_the_folder_are_refused(external, place):
    graph = onnx.load(external / "inference.onnx", load_external_data=False)
    graph.graph.initializer[0].external_data[0].value = place
    (external / "inference.onnx").write_bytes(graph.SerializeToString())
    assert fault(external).endswith("inference.onnx takes parameters from outside its folder")


def test_wherever_an_onnx_file_is_cut_off_it_is_noticed_or_harmless(external):
    """A protocol buffer that ends after a field is one that has no more fields."""
    path = external / "inference.onnx"
    whole, noticed = path.read_bytes(), 0
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        try:
            require_complete(read_model_dir(external))
        except ModelError:
            noticed += 1
    assert noticed > len(whole) - 10


def test_an_ir_whose_weights_are_cut_off(tmp_path):
    (tmp_path / "inference.xml").write_text('<net><data offset="4" size="12" /></net>')
    (tmp_path / "inference.bin").write_bytes(bytes(16))
    write_settings(tmp_path, "ir", [{"ToCHWImage": None}], ["a"])
    require_complete(read_model_dir(tmp_path))
    (tmp_path / "inference.bin").write_bytes(bytes(15))
    assert fault(tmp_path).endswith("inference.bin is cut off, 16 bytes are needed")
