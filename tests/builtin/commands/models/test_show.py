"""`clsctl models show`, as the user and as a script read it."""

from __future__ import annotations

import json

import pytest
from stores import entry, model_files, write_files

from clsctl.builtin.commands.models._card import print_model_card
from clsctl.main import run
from clsctl.networks.flops import costs

SERVER = "https://paddle-model-ecology.bj.bcebos.com/paddlex"


@pytest.fixture
def here(tmp_path) -> str:
    """A model that is on this machine: its name."""
    folder = write_files(tmp_path / "brought", model_files(size=100))
    assert run(["models", "import", str(folder), "--name", "StarNet-S1"]) == 0
    return "StarNet-S1"


def test_show_tells_everything(capsys, home, here):
    capsys.readouterr()
    assert run(["models", "show", here]) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "StarNet-S1",
        "StarNet: Small networks that multiply two linear branches, which acts like a far",
        "wider layer.",
        "",
        "Top-1          73.60 %",
        "CPU latency    7.56 ms in normal mode, 3.26 ms in high-performance mode",
        "GPU latency    6.33 ms in normal mode, 1.98 ms in high-performance mode",
        "Size           11.2 MiB",
        "Parameters     2.88 M counted, 11.0 MiB as float32",
        "MACs           0.42 G counted, for an image of 224 x 224 pixels",
        "Figures        PaddleX documentation, tutorial of the image classification",
        "               module, 3.0rc0. Top-1 on the ImageNet-1k validation set. Normal",
        "               mode: Paddle Inference in FP32, on a GPU NVIDIA Tesla T4 without",
        "               TensorRT, on a CPU Intel Xeon Gold 6271C (2.60 GHz) with 8",
        "               threads. High-performance mode: the best known backend, on the",
        "               GPU in the best precision too. Ubuntu 20.04, cuDNN 8.6, TensorRT",
        "               8.5.2.2.",
        "Catalog        builtin",
        "Preprocessing  resize the short side to 256 pixels (bicubic, Pillow), keep the",
        "               centre 224 x 224 pixels, scale RGB to 0..1, subtract (0.485,",
        "               0.456, 0.406), divide by (0.229, 0.224, 0.225)",
        "  as exported  resize the short side to 224 pixels (bilinear, OpenCV), keep the",
        "               centre 224 x 224 pixels, scale RGB to 0..1, subtract (0.485,",
        "               0.456, 0.406), divide by (0.229, 0.224, 0.225)",
        "",
        "Inference model",
        f"{SERVER}/official_inference_model/paddle3.0rc0/StarNet-S1_infer.tar",
        f"on this machine: {home}/models/StarNet-S1/inference",
        "",
        "Training weights",
        f"{SERVER}/official_pretrained_model/StarNet-S1_pretrained.pdparams",
        "not on this machine: `clsctl models pull StarNet-S1 --kind training`",
    ]


def test_show_marks_a_core_model_and_says_one_preprocessing_once(capsys):
    assert run(["models", "show", "ResNet50"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("ResNet50  ★ core\n")
    assert "as exported" not in out


def test_show_for_a_script(capsys, home, here):
    capsys.readouterr()
    assert run(["models", "show", here, "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["gpu_ms"] == [6.33, 1.98]
    assert shown["preprocessing"]["interpolation"] == "bicubic"
    assert shown["exported"]["resize_short"] == 224
    assert shown["training"]["url"].endswith("/StarNet-S1_pretrained.pdparams")
    assert shown["network"] == {"parameters": 2876288, "macs": 421877376}
    assert shown["pulled"] == {"inference": f"{home}/models/{here}/inference", "training": None}


def test_a_model_whose_network_no_plugin_has(capsys):
    unknown = entry(name="Unknown")
    assert costs(unknown) is None
    print_model_card(unknown, None, {})
    assert "Parameters     unknown: no plugin has a network of this name" in capsys.readouterr().out


def test_an_unknown_model_is_one_clear_error(clsctl):
    done = clsctl("models", "show", "ResNet-50")
    assert done.returncode == 4
    assert done.stdout == ""
    assert done.stderr.startswith("error: unknown model 'ResNet-50'. Did you mean ResNet50")
    assert done.stderr.endswith("[E_MODEL_UNKNOWN]\nhint: `clsctl models list` shows every model\n")
