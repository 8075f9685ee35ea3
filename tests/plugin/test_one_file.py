"""A new device is one file: it is used through the command line, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import made_plugins
import pictures
import pytest
import tiny_training

DEVICE = """
from clsctl.plugin import Device, hookimpl


@hookimpl
def clsctl_devices():
    return [
        Device(
            "toy",
            "The processor by another name.",
            lambda: ["wood", "tin"],
            precisions={"paddle": ("fp32",), "onnxruntime": ("fp32",)},
            configure_paddle=lambda config, placement: config.enable_mkldnn(),
            onnx_provider=lambda unit: ("CPUExecutionProvider", {}),
            paddle_place=lambda unit: "cpu",
        )
    ]
"""


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    content = pictures.encoded(pictures.photo(), "PNG")
    return pictures.write(tmp_path, {"photo.png": content})["photo.png"]


@pytest.mark.parametrize("backend", ["paddle", "onnxruntime"])
def test_a_device(clsctl, tmp_path, photo, tiny, backend):
    if backend == "onnxruntime":
        pytest.importorskip("paddle2onnx", reason="it has no build for Python 3.13")
    env = made_plugins.install(tmp_path / "site", "toybox", DEVICE)
    predict = ["predict", photo, "--model-dir", tiny, "--backend", backend, "--device"]
    there = clsctl(*predict, "toy:1", env=env)
    assert there.stderr.splitlines()[-1] == f"MobileNetV1_x0_25 on toy:1 with {backend}"
    assert there.stdout == clsctl(*predict, "cpu").stdout
    assert "there is no toy:2; this machine has 2" in clsctl(*predict, "toy:2", env=env).stderr


@pytest.mark.usefixtures("one_thread")
def test_a_device_to_train_on(clsctl, tmp_path):
    env = made_plugins.install(tmp_path / "site", "toybox", DEVICE)
    options = [
        "-d",
        tiny_training.write_dataset(tmp_path / "data", 4),
        "--scratch",
        "--epochs",
        "1",
    ]
    options += ["-b", "4", "-m", tiny_training.MODEL, "--set", "data.image_size=64", "-o", "run"]
    done = clsctl("train", *options, "--device", "toy", env=env)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run/best_model/inference/inference.json").is_file()
    found = clsctl("doctor", "--offline", env=env).stdout.splitlines()
    assert any(line.split() == ["toy", "ok", "wood;", "tin"] for line in found)
