"""What `clsctl doctor` and `--device` know of each kind of device."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from clsctl.errors import DeviceError
from clsctl.plugin.registry import default_registry


def units(name: str) -> list[str]:
    return list(default_registry().get("devices", name).units())


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """Puts an `nvidia-smi` that answers so on the search path."""

    def install(script: str) -> None:
        program(tmp_path, "nvidia-smi", script)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return install


def test_the_processor_is_always_there():
    [line] = units("cpu")
    assert re.fullmatch(r"\S+, \d+ cores", line)


def test_without_a_driver_there_is_no_gpu(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DeviceError, match="this machine has no NVIDIA driver") as caught:
        units("gpu")
    assert (caught.value.code, caught.value.exit_status) == ("E_DEVICE_MISSING", 6)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo No devices were found; exit 6", "nvidia-smi says: No devices were found"),
        ("echo broken >&2; exit 9", "nvidia-smi says: broken"),
        ("exit 0", "nvidia-smi says: it lists none"),
    ],
)
def test_what_the_driver_says_is_passed_on(driver, script, said):
    driver(script)
    with pytest.raises(DeviceError, match=said):
        units("gpu")


@pytest.fixture
def two_gpus(driver) -> None:
    driver("echo NVIDIA A10, 24564 MiB; echo NVIDIA T4, 15360 MiB")


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_is_of_no_use_to_a_cpu_build():
    with pytest.raises(DeviceError, match=r"2 GPU\(s\) found, but .* is a CPU build") as caught:
        units("gpu")
    assert "uninstall --yes paddlepaddle && " in caught.value.hint
    assert " install paddlepaddle-gpu==" in caught.value.hint


@pytest.mark.usefixtures("two_gpus")
def test_a_cpu_build_that_was_installed_over_the_other_is_told_apart(tmp_path, monkeypatch):
    facts = tmp_path / "paddlepaddle_gpu-3.3.1.dist-info" / "METADATA"
    facts.parent.mkdir()
    facts.write_text("Metadata-Version: 2.1\nName: paddlepaddle-gpu\nVersion: 3.3.1\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DeviceError, match=r"found, but both paddlepaddle and") as caught:
        units("gpu")
    assert "uninstall --yes paddlepaddle paddlepaddle-gpu && " in caught.value.hint


@pytest.mark.usefixtures("two_gpus")
def test_the_gpus_of_a_cuda_build_are_listed_by_the_driver(tmp_path, monkeypatch):
    facts = tmp_path / "paddle" / "version" / "__init__.py"
    facts.parent.mkdir(parents=True)
    (tmp_path / "paddle" / "__init__.py").touch()
    facts.write_text("cuda_version     = '12.6'\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert units("gpu") == ["NVIDIA A10, 24564 MiB", "NVIDIA T4, 15360 MiB"]


def test_without_paddle_s_plugin_there_is_no_npu(monkeypatch):
    monkeypatch.delenv("CUSTOM_DEVICE_ROOT", raising=False)
    with pytest.raises(DeviceError, match="no NPU: PaddlePaddle's NPU plugin is not installed"):
        units("npu")


def test_a_plugin_folder_without_an_npu_is_no_npu(tmp_path, monkeypatch):
    monkeypatch.setenv("CUSTOM_DEVICE_ROOT", str(tmp_path))
    with pytest.raises(DeviceError, match="PaddlePaddle found no plugin for device type 'npu'"):
        units("npu")
