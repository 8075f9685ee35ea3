"""A graph that wants too much is refused before it is run where that would hurt."""

from __future__ import annotations

import shutil
from pathlib import Path

import limits
import models
import onnx_graphs
import pictures
import pytest

CPU_S = 6
"""Enough to load Paddle; a process gets many times as much where nobody says less."""


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    content = pictures.encoded(pictures.photo(), "PNG")
    return pictures.write(tmp_path / "photos", {"photo.png": content})["photo.png"]


def predict(call, photo: Path, model: Path):
    return call("predict", photo, "--model-dir", model, "--backend", "paddle")


def trials(home: Path) -> list[Path]:
    return list((home / "cache").glob("paddle/*.tried"))


def test_an_honest_model_is_tried_once(tmp_path, photo, call, home):
    models.write_paddle(tmp_path / "model", "honest")
    first = predict(call, photo, tmp_path / "model")
    assert first.returncode == 0
    [trial] = trials(home)
    tried = trial.stat()
    assert predict(call, photo, tmp_path / "model").stdout == first.stdout
    assert trial.stat() == tried


def test_what_was_compiled_needs_no_trial(tiny, tiny_cache, photo, call, home):
    pytest.importorskip("paddle2onnx", reason="it has no build for Python 3.13")
    # Other tests share that cache, and try other models in it.
    others = shutil.ignore_patterns("*.tried", ".clsctl-*")
    shutil.copytree(tiny_cache, home / "cache", ignore=others)
    assert predict(call, photo, tiny).returncode == 0
    assert trials(home) == []


def test_a_cache_that_cannot_be_written_forgets_the_trial(tmp_path, photo, call, home):
    models.write_paddle(tmp_path / "model", "honest")
    (home / "cache").write_text("a file")
    assert predict(call, photo, tmp_path / "model").returncode == 0


def test_a_graph_that_asks_for_gigabytes(tmp_path, photo):
    models.write_paddle(tmp_path / "model", "greedy")
    arguments = ("predict", photo, "--model-dir", tmp_path / "model", "--backend", "paddle")
    done = limits.run_clsctl(*arguments)
    assert (done.returncode, done.stdout) == (4, "")
    assert "E_MODEL_BOUNDS" in done.stderr
    assert done.peak_mb < 6_000  # half of what it asks for


def test_a_graph_of_paddle_without_end(tmp_path, photo):
    models.write_paddle(tmp_path / "model", "endless")
    arguments = ("predict", photo, "--model-dir", tmp_path / "model", "--backend", "paddle")
    done = limits.run_clsctl(*arguments, cpu_s=CPU_S)
    assert (done.returncode, done.stdout) == (4, "")
    assert "E_MODEL_BOUNDS" in done.stderr


def test_an_onnx_file_without_end(tmp_path, photo):
    onnx_graphs.write_endless(tmp_path / "model")
    arguments = ("predict", photo, "--model-dir", tmp_path / "model", "--backend", "onnxruntime")
    done = limits.run_clsctl(*arguments, cpu_s=CPU_S)
    assert (done.returncode, done.stdout) == (4, "")
    assert "E_CONVERSION" in done.stderr


@pytest.mark.parametrize("code", ["while True: pass", "bytearray(1 << 40)"])
def test_a_process_ends_at_its_limits(code):
    start = "from clsctl.system.limits import limit_memory, limit_processor_time\n"
    done = limits.run_python(f"{start}limit_processor_time(1); limit_memory(1 << 30)\n{code}")
    assert done.returncode != 0
    assert done.peak_mb < 1_000
