"""The way to an NPU, without one: a stand-in for its runtime, built from Paddle's own headers.

Whatever the stand-in has no kernel for runs on the processor, so the results are the processor's.
What it proves is that devices are found, counted, chosen and refused as they should be.
"""

from __future__ import annotations

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import models
import pictures
import pytest

COMPILER = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler")


def build(folder: Path) -> None:
    folder.mkdir()
    headers = Path(find_spec("paddle").origin).parent / "include"
    library = folder / "libpaddle-custom-npu.so"
    source = Path(__file__).with_name("fake_npu.cc")
    options = ["-std=c++17", "-O1", "-fPIC", "-shared", f"-I{headers}", "-o", library]
    subprocess.run([COMPILER, *options, source], check=True, timeout=300)


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.once(tmp_path_factory, "fake_npu", build)


@pytest.fixture
def on_npu(runtime, clsctl, tmp_path, tiny):
    """`clsctl predict` of a photo, where an NPU can be found."""
    content = pictures.encoded(pictures.photo(), "PNG")
    pictures.write(tmp_path, {"photo.png": content})

    def run(*options: str):
        arguments = ["predict", "photo.png", "--model-dir", tiny, "--format", "csv", *options]
        return clsctl(*arguments, env={"CUSTOM_DEVICE_ROOT": str(runtime), "GLOG_minloglevel": "2"})

    return run


def test_the_npu_gives_what_the_processor_gives(on_npu):
    here = on_npu("--device", "cpu", "--backend", "paddle")
    there = on_npu("--device", "npu:0", "--backend", "paddle")
    assert (there.returncode, there.stdout) == (0, here.stdout), there.stderr
    assert len(here.stdout.splitlines()) == 6
    itself = on_npu("--device", "auto", "--backend", "auto", "--format", "table")
    assert f"{models.NAME} on npu:0 with paddle\n" in itself.stderr


def test_an_npu_that_is_not_there_is_an_error(on_npu):
    done = on_npu("--device", "npu:1", "--backend", "paddle")
    assert (done.returncode, done.stdout) == (6, "")
    assert "error: there is no npu:1; this machine has 1, counted from 0 [E_DEVICE_MISSING]\n" in (
        done.stderr
    )


def test_a_backend_that_does_not_run_on_an_npu_is_not_replaced(on_npu):
    done = on_npu("--device", "npu", "--backend", "onnxruntime")
    assert (done.returncode, done.stdout) == (6, "")
    assert "error: backend 'onnxruntime' does not run on npu:0 [E_BACKEND_MISSING]" in done.stderr


def test_the_doctor_lists_it(runtime, clsctl):
    done = clsctl("doctor", "--offline", env={"CUSTOM_DEVICE_ROOT": str(runtime)})
    assert any(line.split() == ["npu", "ok", "npu"] for line in done.stdout.splitlines())
