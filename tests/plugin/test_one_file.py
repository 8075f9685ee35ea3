"""A new extension is one file: it is used through the command line, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import evaluating
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

BACKEND = """
from clsctl.inference.compiled import ensure_compiled
from clsctl.inference.onnx_session import open_file
from clsctl.plugin import Backend, CompiledModel, hookimpl


def write(source, target, placement):
    target.write_bytes(source)


def load(path, placement):
    return open_file(path, placement.threads)


COMPILED = CompiledModel("plain", "Plain Runtime", ".bin", lambda placement: "v1", write, load)


def open_model(spec, placement):
    return load(ensure_compiled(COMPILED, spec, placement), placement)


def prepare(spec, placement):
    ensure_compiled(COMPILED, spec, placement)


@hookimpl
def clsctl_backends():
    return [
        Backend(
            "plain",
            "ONNX Runtime without its optimisations.",
            lambda: None,
            open_model,
            precisions={"cpu": ("fp32",)},
            prepare=prepare,
            compiled=COMPILED,
        )
    ]
"""
EXPORTER = """
import shutil

import numpy as np

from clsctl.inference.paddle_session import PaddleSession
from clsctl.models.directory import read_model_dir
from clsctl.plugin import Exporter, Placement, hookimpl
from clsctl.values import HOST


@hookimpl
def clsctl_exporters():
    return [
        Exporter("twin", "Paddle's files by another name.", "twin.json", write, open_twin),
        Exporter("wrong", "The same, and it answers at random.", "twin.json", write, Guess),
    ]


def write(request, folder):
    for suffix in ("json", "pdiparams"):
        shutil.copy(folder / f"inference.{suffix}", folder / f"twin.{suffix}")
    (folder / "twin.txt").write_text(f"{request.name}: {len(request.labels)} classes")


def open_twin(graph):
    return PaddleSession(read_model_dir(graph), Placement(HOST, 1))


class Guess:
    def __init__(self, graph):
        assert graph.is_file()

    def run(self, batch):
        return np.full((len(batch), 3), 1 / 3, np.float32)
"""


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    content = pictures.encoded(pictures.photo(), "PNG")
    return pictures.write(tmp_path, {"photo.png": content})["photo.png"]


@pytest.mark.parametrize("backend", ["paddle", "onnxruntime"])
def test_a_device(clsctl, call, tmp_path, photo, ready, backend):
    if backend == "onnxruntime":
        pytest.importorskip("paddle2onnx", reason="it has no build for Python 3.13")
    env = made_plugins.install(tmp_path / "site", "toybox", DEVICE)
    predict = ["predict", photo, "--model-dir", ready, "--backend", backend, "--device"]
    there = clsctl(*predict, "toy:1", env=env)
    assert there.stderr.splitlines()[-1] == f"MobileNetV1_x0_25 on toy:1 with {backend}"
    assert there.stdout == call(*predict, "cpu").stdout
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
    options += ["-b", "auto", "-m", tiny_training.MODEL, "--set", "data.image_size=64", "-o", "run"]
    done = clsctl("train", *options, "--device", "toy", env=env)
    assert done.returncode == 0, done.stderr
    assert "batch 2: a larger one leaves too few steps in an epoch of 12 images" in done.stderr
    assert (tmp_path / "run/best_model/inference/inference.json").is_file()
    found = clsctl("doctor", "--offline", env=env).stdout.splitlines()
    assert ["toy", "ok", "wood;", "tin"] in [line.split() for line in found]


def test_a_backend(clsctl, call, tmp_path, photo, tiny, home):
    pytest.importorskip("paddle2onnx", reason="it has no build for Python 3.13")
    env = made_plugins.install(tmp_path / "site", "plainly", BACKEND)
    predict = ["predict", photo, "--model-dir", tiny, "--format", "csv", "--backend"]
    ours = clsctl(*predict, "plain", env=env)
    assert ours.stderr == "note: preparing MobileNetV1_x0_25 for Plain Runtime, once\n"
    assert len(list((home / "cache/plain").glob("*-v1.bin"))) == 1
    expected = call(*predict, "paddle").stdout
    classes, others = (
        [row.split(",")[3] for row in text.splitlines()] for text in (ours.stdout, expected)
    )
    assert classes == others
    assert len(classes) == 6
    lower = clsctl(*predict, "plain", "--precision", "bf16", env=env)
    assert "backend 'plain' does not run in bf16 on cpu [E_PRECISION_UNSUPPORTED]" in lower.stderr
    found = clsctl("doctor", "--offline", env=env).stdout.splitlines()
    assert ["plain", "ok", "runs", "on", "cpu"] in [line.split() for line in found]


def test_an_export_format(clsctl, tmp_path, tmp_path_factory):
    env = made_plugins.install(tmp_path / "site", "twins", EXPORTER)
    export = ["export", "--weights", evaluating.run(tmp_path_factory), "-o", "model", "--to"]
    offered = clsctl("export", "--help", env={**env, "COLUMNS": "200"}).stdout
    assert "twin (twin.json), wrong (twin.json)." in offered
    refused = clsctl(*export, "wrong", env=env)
    assert refused.returncode == 4
    assert "nothing was exported: twin.json gives other scores than the network" in refused.stderr
    assert not (tmp_path / "model").exists()
    done = clsctl(*export, "twin", env=env)
    assert done.returncode == 0, done.stderr
    heading, *parity = done.stdout.splitlines()
    assert heading == f"{evaluating.NAME}, 3 classes: model"
    assert [line.split(":")[0] for line in parity] == ["inference.json", "twin.json"]
    assert (tmp_path / "model/twin.txt").read_text() == f"{evaluating.NAME}: 3 classes"
