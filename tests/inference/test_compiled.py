"""A model is converted once, behind the gate; whatever goes wrong leaves it to Paddle."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import limits
import models
import onnx_graphs
import pictures
import pytest
import tiny_training

from clsctl.exporting.network import export_network
from clsctl.images.preprocess import transform_ops
from clsctl.models.directory import read_model_dir
from clsctl.models.integrity import weights_sha256
from clsctl.system.cpu import multiplies_bf16
from clsctl.system.files import file_facts
from clsctl.values import Preprocessing, __version__

pytest.importorskip("paddle2onnx", reason="it has no build for Python 3.13")

PREPARING = f"note: preparing {models.NAME} for ONNX Runtime, once\n"
CONSOLE_SCRIPT = Path(sys.executable).with_name("clsctl")


@pytest.fixture(autouse=True)
def automatic(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--backend auto`, which for a single photo is ONNX Runtime."""
    monkeypatch.delenv("CLSCTL_BACKEND")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    content = pictures.encoded(pictures.photo(), "PNG")
    return pictures.write(tmp_path / "photos", {"photo.png": content})["photo.png"]


@pytest.fixture(scope="module")
def misconverted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """paddle2onnx clips what hardtanh gives to -1..1, whatever its bounds."""
    from paddle import nn, seed

    seed(0)
    folder = tmp_path_factory.mktemp("misconverted")
    layers = nn.Conv2D(3, 4, 3, 2), nn.Hardtanh(0.0, 6.0), nn.AdaptiveAvgPool2D(1), nn.Flatten()
    network = nn.Sequential(*layers, nn.Linear(4, 3))
    export_network(
        network, folder, "Clipped", transform_ops(Preprocessing(256, 224)), "abc", (224, 224)
    )
    return folder


def start(photo: Path, model: Path, *options: str, cwd: Path) -> subprocess.Popen[str]:
    """The installed command, which unlike `python -m` never looks into the current folder."""
    command = [CONSOLE_SCRIPT, "predict", photo, "--model-dir", model, "--format", "csv", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=cwd, text=True, encoding="utf-8", **pipes)


def onnx_form(model: Path, cache: Path) -> Path:
    """What ONNX Runtime loads of a model."""
    [path] = (cache / "onnxruntime").glob(f"{weights_sha256(read_model_dir(model))}*.onnx")
    return path


def forms(home: Path) -> list[str]:
    """Suffixes of what a conversion left."""
    return sorted(path.suffix for path in (home / "cache" / "onnxruntime").glob("*"))


def test_a_form_is_made_in_float32_whatever_asks_for_it_first(tiny, photo, home):
    pytest.importorskip("openvino")
    if not multiplies_bf16():
        pytest.skip("this processor has no bf16 instructions")
    for precision in ("bf16", "fp32"):
        options = ("--backend", "openvino", "--precision", precision)
        process = start(photo, tiny, *options, cwd=photo.parent)
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    assert [path.suffix for path in (home / "cache" / "openvino").glob("*")] == [".blob"]


def test_two_processes_convert_once_whatever_lies_around(tiny, photo, home):
    """The user's folder holds a file that is called like one of Python's own modules."""
    (photo.parent / "json.py").write_text("raise SystemExit('this is not for you')\n")
    pair = [start(photo, tiny, cwd=photo.parent) for _ in range(2)]
    outputs = [process.communicate(timeout=300) for process in pair]
    assert [process.returncode for process in pair] == [0, 0]
    assert outputs[0][0] == outputs[1][0] != ""
    said = "".join(err for _, err in outputs)
    assert said.count(PREPARING) == 1
    assert forms(home) == [".onnx"]
    again = start(photo, tiny, cwd=photo.parent)
    assert again.communicate(timeout=300) == (outputs[0][0], "")


def test_what_differs_from_paddle_is_refused_and_not_tried_again(misconverted, photo, home, call):
    arguments = ["predict", photo, "--model-dir", misconverted, "--format", "csv"]
    first, second = call(*arguments), call(*arguments)
    reason = r"Clipped cannot run in ONNX Runtime: compiled, it differs from Paddle's result by .*"
    others = [reason]
    if find_spec("openvino"):
        others.append(reason.replace("ONNX Runtime", "OpenVINO"))
    said = "".join(f"note: {one}; trying the next backend\n" for one in others)
    preparing = [line for line in first.stderr.splitlines(keepends=True) if "preparing" in line]
    assert preparing[0] == "note: preparing Clipped for ONNX Runtime, once\n"
    assert len(preparing) == len(others)
    assert re.fullmatch(said, first.stderr.replace("".join(preparing), ""))
    assert re.fullmatch(said, second.stderr)
    assert first.stdout == second.stdout == call(*arguments, "--backend", "paddle").stdout
    asked = call(*arguments, "--backend", "onnxruntime")
    assert (asked.returncode, asked.stdout) == (4, "")
    hint = "hint: use another backend, or --backend auto"
    assert re.fullmatch(rf"error: {reason} \[E_CONVERSION\]\n{hint}\n", asked.stderr)


def test_a_verdict_that_is_no_longer_one_is_tried_again(misconverted, photo, home, call):
    arguments = ["predict", photo, "--model-dir", misconverted, "--backend", "onnxruntime"]
    call(*arguments)
    [verdict] = (home / "cache" / "onnxruntime").iterdir()
    text = verdict.read_text()
    spoilt = [
        "",
        text.replace(f'"clsctl": "{__version__}"', '"clsctl": "0.0.1"'),
        text.replace('"onnxruntime": "', '"onnxruntime": "1'),
        re.sub('"reason": ".*"', '"reason": ""', text),
    ]
    assert text not in spoilt
    for content in spoilt:
        verdict.write_text(content)
        again = call(*arguments)
        assert again.stderr.startswith("note: preparing Clipped for ONNX Runtime, once\n")
        assert "compiled, it differs from Paddle's result by" in again.stderr
        assert verdict.read_text() == text


def test_a_graph_that_no_library_knows_is_one_error(tiny, tmp_path, photo, call):
    def misspell(graph: bytes) -> bytes:
        return graph.replace(b'"1.conv2d"', b'"1.konv2d"')

    models.spoilt_copy(tiny, tmp_path / "model", "inference.json", misspell)
    arguments = ["predict", photo, "--model-dir", "model", "--backend"]
    for backend, code in (("onnxruntime", "E_CONVERSION"), ("paddle", "E_MODEL_UNREADABLE")):
        done = call(*arguments, backend)
        assert (done.returncode, done.stdout) == (4, "")
        assert f"[{code}]" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_cache_that_cannot_be_written_leaves_it_to_paddle(tiny, photo, home, call):
    (home / "cache").write_text("a file where the folder should be\n")
    done = call("predict", photo, "--model-dir", tiny, "--format", "csv")
    assert done.returncode == 0
    for line in done.stderr.splitlines():
        assert re.fullmatch(r"note: cannot use .*; trying the next backend", line)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_full_disk_says_nothing_of_the_model(tiny, photo, home, backend):
    """No file may become larger than 300 kB, which a compiled model is."""
    pytest.importorskip(backend)
    arguments = ("predict", str(photo), "--model-dir", str(tiny), "--backend", backend)
    full = limits.run_clsctl(*arguments, file_kb=300)
    assert (full.returncode, full.stdout) == (4, "")
    assert "is full: File too large [E_DISK_FULL]" in full.stderr
    assert list((home / "cache" / backend).iterdir()) == []
    later = limits.run_clsctl(*arguments)
    assert later.returncode == 0, later.stderr


def test_killed_conversions_leave_nothing_for_ever(tiny, photo, home):
    """Killed at the first, second ... thing that it asks of the system in the cache."""
    arguments = ("predict", photo, "--model-dir", tiny, "--backend", "onnxruntime")
    cache, left = home / "cache" / "onnxruntime", []
    for event in range(1, 6):
        assert tiny_training.killed(cache, event, arguments)
        left.append(len(list(cache.glob(".*"))))
    assert 0 < max(left) <= 2, "what one of them left is swept by the next"
    assert not tiny_training.killed(cache, 1000, arguments)
    assert forms(home) == [".onnx"]


def test_nothing_planted_in_the_cache_is_executed(tiny, photo, home, call):
    cache = home / "cache" / "onnxruntime"
    cache.mkdir(parents=True)
    for name in ("yaml", "onnx", "json", "paddle2onnx", "clsctl"):
        (cache / f"{name}.py").write_text("raise SystemExit('planted')\n")
    done = call("predict", photo, "--model-dir", tiny, "--backend", "onnxruntime")
    assert done.returncode == 0
    assert done.stderr.startswith(PREPARING)
    assert "planted" not in done.stderr


# ---- which model it is -------------------------------------------------------------------------


def other_weights(content: bytes) -> bytes:
    """Other answers: the classifier's weights, which come last, in another order."""
    return content[:-10_240] + content[-10_236:] + content[-10_240:-10_236]


def test_a_record_that_claims_another_models_checksum_poisons_nothing(tiny, photo, tmp_path, call):
    other = models.spoilt_copy(tiny, tmp_path / "other", "inference.pdiparams", other_weights)
    (other / "clsctl.json").write_text(json.dumps({"files": file_facts(tiny, "")}))
    arguments = ["predict", photo, "--format", "csv", "--model-dir"]
    for model in (other, tiny):
        converted = call(*arguments, model, "--backend", "onnxruntime")
        assert converted.returncode == 0, converted.stderr
        assert converted.stderr == PREPARING
        assert ranking(converted.stdout) == ranking(
            call(*arguments, model, "--backend", "paddle").stdout
        )


def test_weights_of_the_same_size_and_an_old_date_are_other_weights(tiny, photo, tmp_path, call):
    """As after `cp -p` of a model that was trained before."""
    model = Path(shutil.copytree(tiny, tmp_path / "model"))
    (model / "clsctl.json").write_text(json.dumps({"files": file_facts(model, "")}))
    arguments = ["predict", photo, "--format", "csv", "--model-dir", model, "--backend"]
    before = call(*arguments, "onnxruntime").stdout
    params = model / "inference.pdiparams"
    params.write_bytes(other_weights(params.read_bytes()))
    os.utime(params, (0, 0))
    after = call(*arguments, "onnxruntime").stdout
    assert ranking(after) == ranking(call(*arguments, "paddle").stdout) != ranking(before)


def ranking(table: str) -> list[str]:
    """The classes of a CSV, best first."""
    return [row.split(",")[3] for row in table.splitlines()[1:]]


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino", "paddle"])
def test_truncated_weights_are_never_used(tiny, photo, tmp_path, call, backend):
    pytest.importorskip(backend)
    models.spoilt_copy(tiny, tmp_path / "cut", "inference.pdiparams", lambda content: content[:-99])
    done = call("predict", photo, "--model-dir", "cut", "--backend", backend)
    assert (done.returncode, done.stdout) == (4, "")
    assert "E_WEIGHTS_INVALID" in done.stderr
    assert "within parameter 137 (the graph has 137)" in done.stderr


def test_a_model_that_changes_while_it_is_converted_is_not_kept(tiny, photo, tmp_path, home):
    model = Path(shutil.copytree(tiny, tmp_path / "model"))
    process = start(photo, model, "--backend", "onnxruntime", cwd=photo.parent)
    assert process.stderr.readline() == PREPARING
    (model / "inference.pdiparams").write_bytes(
        other_weights((model / "inference.pdiparams").read_bytes())
    )
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 4
    assert "its files changed while it was being prepared [E_CONVERSION]" in errors
    assert forms(home) == []


def test_a_graph_that_asks_for_gigabytes_is_refused_before_it_gets_them(tmp_path, photo, home):
    """12 GB of the same number, in a file of a few hundred bytes.

    What the libraries themselves take depends on the processor and grows with its cores, so the
    bound is half of what the graph asks for.
    """
    onnx_graphs.write_greedy(tmp_path / "greedy", 3_000_000_000)
    arguments = ("predict", str(photo), "--model-dir", str(tmp_path / "greedy"))
    done = limits.run_clsctl(*arguments, "--backend", "onnxruntime")
    assert (done.returncode, done.stdout) == (4, "")
    assert "E_CONVERSION" in done.stderr
    assert done.peak_mb < 6_000


def test_ctrl_c_leaves_nothing_to_trust(tiny, photo, home):
    process = start(photo, tiny, cwd=photo.parent)
    assert process.stderr.readline() == PREPARING
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err == "error: interrupted [E_INTERRUPTED]\n"
    # A temporary file that was being made at that moment is swept at the next start.
    assert [suffix for suffix in forms(home) if suffix != ".tmp"] == []


def test_a_damaged_form_is_named_with_the_way_out(tiny, tiny_cache, photo, home, call):
    form = onnx_form(tiny, tiny_cache)
    damaged = home / "cache" / "onnxruntime" / form.name
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(form.read_bytes()[:1000])
    done = call("predict", photo, "--model-dir", tiny)
    assert done.returncode == 4
    assert f"ONNX Runtime cannot load {damaged}" in done.stderr
    assert "hint: delete the file, and it is made again" in done.stderr


def test_a_legacy_graph_gives_what_its_successor_gives(tiny, tmp_path, photo, call):
    models.export_tiny(tmp_path / "legacy", legacy=True)
    assert (tmp_path / "legacy" / "inference.pdmodel").is_file()
    assert not (tmp_path / "legacy" / "inference.json").exists()
    outputs = [
        call("predict", photo, "--model-dir", folder, "--format", "csv", "--backend", backend)
        for folder, backend in (("legacy", "paddle"), (tiny, "paddle"), ("legacy", "onnxruntime"))
    ]
    assert [output.returncode for output in outputs] == [0, 0, 0], outputs
    tables = [output.stdout.splitlines() for output in outputs]
    assert tables[0] == tables[1]
    assert [row.split(",")[3] for row in tables[2]] == [row.split(",")[3] for row in tables[0]]


def test_removing_a_model_removes_what_was_made_of_it(tiny, tiny_cache, home, call):
    form = onnx_form(tiny, tiny_cache)
    kept = home / "cache" / "onnxruntime"
    kept.mkdir(parents=True)
    (kept / form.name).symlink_to(form)
    (kept / "another.onnx").touch()
    assert call("models", "import", tiny).returncode == 0
    assert call("models", "remove", models.NAME).stdout == f"{models.NAME} removed\n"
    assert [path.name for path in kept.iterdir()] == ["another.onnx"]
