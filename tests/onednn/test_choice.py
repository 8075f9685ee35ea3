"""What trainable networks compute with: what is used, what is said, what does not depend on it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest
import rounding
from fixtures import Run
from tiny_training import OPTIONS, write_dataset

import clsctl
from clsctl.networks.pdparams import read_pdparams
from clsctl.onednn.choice import evaluating
from clsctl.values import HOST

MODEL = "PP-LCNet_x0_25"
TINY = ("train", "-m", MODEL, *OPTIONS, "--epochs", "1", "-d", "data")
SMALL = {"pretrained": False, "batch_size": 6, "data.image_size": 64, "epochs": 1, "ema": 0.9}

WITHOUT_LIBRARY = """
import paddle
paddle.__file__ = "/nowhere/paddle/__init__.py"
"""
OTHER_RESULTS = """
from paddle import nn
nn.Hardswish.forward = lambda self, x: x * 1.0001
"""
MAIN = """
from clsctl.main import main
main()
"""

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data")


def test_with_and_without_it_training_is_the_same(data: Path, tmp_path: Path):
    runs = [
        clsctl.train(MODEL, data, tmp_path / str(n), **SMALL, accelerate=wish)
        for n, wish in enumerate(("on", "auto", "off"))
    ]
    on, _, off = (read_pdparams(run.weights) for run in runs)
    assert runs[0].weights.read_bytes() == runs[1].weights.read_bytes()
    assert {name: value.shape for name, value in on.items()} == {
        name: value.shape for name, value in off.items()
    }
    assert any((on[name] != off[name]).any() for name in on)
    first, _, last = (first_loss(run.output) for run in runs)
    # Batch normalisation over six small images magnifies a rounding of 6e-8 some hundred times.
    assert first == pytest.approx(last, rel=100 * rounding.ROUNDINGS * 6e-8)


def first_loss(run_dir: Path) -> float:
    """Of the first step, before training has made rounding grow."""
    line = (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[0]
    return float(json.loads(line)["loss"])


def test_what_computes_is_said(clsctl: Run, data: Path):
    done = clsctl(*TINY, "--accelerate", "on")
    assert done.returncode == 0, done.stderr
    assert "note: oneDNN computes\n" in done.stderr
    assert "OMP_NUM_THREADS" not in done.stderr
    done = clsctl(*TINY, "--accelerate", "off", "-o", "off")
    assert done.returncode == 0, done.stderr
    assert "oneDNN" not in done.stderr


@pytest.mark.parametrize(
    ("machine", "reason"),
    [
        (WITHOUT_LIBRARY, "Paddle's libiomp5.so cannot be loaded"),
        (OTHER_RESULTS, "oneDNN's Hardswish differs from Paddle's on this machine"),
    ],
)
def test_where_it_does_not_work(data: Path, tmp_path: Path, machine: str, reason: str):
    def train(wish: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", machine + MAIN, *TINY, "--accelerate", wish]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    done = train("on")
    assert done.returncode == 6
    assert f"training cannot be accelerated: {reason}" in done.stderr
    assert "[E_ACCELERATE]" in done.stderr
    done = train("auto")
    assert done.returncode == 0, done.stderr
    assert f"stock Paddle trains, several times slower than with oneDNN: {reason}" in done.stderr


def test_what_is_evaluated_computes_with_it_and_is_left_as_it_was():
    network = clsctl.build(MODEL, num_classes=5, seed=1)
    network.eval()
    images = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
    expected = network(paddle.to_tensor(images))
    with evaluating(network, HOST, threads=1):
        found = network(paddle.to_tensor(images))
        assert any("forward" in vars(layer) for layer in network.sublayers())
    assert found.stop_gradient
    assert not any("forward" in vars(layer) for layer in network.sublayers())
    assert not expected.stop_gradient
    allowed = rounding.allowed(
        {"logits": expected.numpy()},
        lambda rng: {"logits": network(paddle.to_tensor(rounding.nudged(images, rng))).numpy()},
    )
    assert float((found - expected).abs().max()) <= allowed["logits"]
