"""Model directories that the tests predict with, exported by clsctl and by older PaddleClas."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import golden_rules
import pictures
import pytest
from filelock import FileLock

import clsctl
from clsctl.exporting.network import export_network
from clsctl.images.preprocess import transform_ops
from clsctl.models.catalog import get_entry
from clsctl.models.directory import write_settings
from clsctl.models.imagenet_labels import imagenet_labels
from clsctl.system.cpu import multiplies_int8
from clsctl.values import Preprocessing

if TYPE_CHECKING:
    from paddle import nn

NAME = "MobileNetV1_x0_25"
BACKEND = "onnxruntime" if find_spec("paddle2onnx") else "paddle"
"""What the tests predict with unless they ask for another one, and what `auto` takes for a single
image; paddle2onnx has no build for Python 3.13."""

QUANTISES = bool(find_spec("paddle2onnx")) and multiplies_int8()
QUANTISES_WHERE = "int8 needs a processor that does not saturate, and paddle2onnx to convert"

LABELS = tuple(f"{colour} 猫, cat {number}" for number in range(5) for colour in ("red", "blue"))


def export_tiny(folder: Path, legacy: bool = False) -> None:
    """MobileNetV1_x0_25 with 10 classes; its weights are of no use, but its answers vary."""
    import paddle

    folder.mkdir()
    network = clsctl.build(NAME, num_classes=len(LABELS), seed=0)
    golden_rules.fill(network, seed=0, gain=golden_rules.manifest(NAME)["gain"])
    spread(network)
    transforms = transform_ops(Preprocessing(resize_short=256, crop=224))
    with paddle.pir_utils.DygraphOldIrGuard() if legacy else nullcontext():
        export_network(network, folder, NAME, transforms, LABELS, (224, 224))


def export_golden(folder: Path, name: str) -> None:
    """A catalog model with the weights of the golden rule, stretched for its answers to vary."""
    facts, preprocessing = golden_rules.manifest(name), get_entry(name).exported
    network = clsctl.build(name)
    golden_rules.fill(network, facts["weight_seed"], facts["gain"])
    spread(network, deviation=2)
    folder.mkdir()
    transforms = transform_ops(preprocessing)
    export_network(network, folder, name, transforms, imagenet_labels(), preprocessing.input_size)


def write_paddle(folder: Path, kind: str) -> None:
    """A graph of Paddle that is `greedy`, which adds up 12 GB of numbers, or `endless`."""
    import paddle

    class Network(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.head = paddle.nn.Linear(3, 3)

        def forward(self, x):
            pooled = x.mean([2, 3])
            if kind == "greedy":
                pooled = pooled + paddle.expand(pooled.sum(), [3_000_000_000]).cumsum()[-1]
            if kind == "endless":
                while paddle.isfinite(pooled).all():
                    pooled = pooled * 0.5
            return paddle.nn.functional.softmax(self.head(pooled))

    folder.mkdir()
    spec = [paddle.static.InputSpec([None, 3, 224, 224], "float32", "x")]
    network = paddle.jit.to_static(Network(), input_spec=spec, full_graph=True)
    network.eval()
    paddle.jit.save(network, str(folder / "inference"))
    transforms = transform_ops(Preprocessing(resize_short=256, crop=224))
    write_settings(folder, kind, transforms, ["a", "b", "c"])


def spread(network: nn.Layer, deviation: float = 8) -> None:
    """Centre and stretch the logits, for images to differ in their classes and in how sure."""
    import paddle

    network.eval()
    head = dict(network.named_sublayers())[network.head_name]
    with paddle.no_grad():
        logits = network(paddle.to_tensor(golden_rules.make_input(0, [64, 3, 224, 224])))
        head.bias.set_value((head.bias - logits.mean(0)) * (deviation / logits.std()))
        head.weight.set_value(head.weight * (deviation / logits.std()))


def prepare(model: Path, home: Path) -> None:
    """Let a new home have the model's ONNX form."""
    image = home.with_name("prepare.png")
    image.write_bytes(pictures.encoded(pictures.photo(), "PNG"))
    subprocess.run(
        [sys.executable, "-m", "clsctl", "predict", image, "--model-dir", model],
        check=True,
        env={**os.environ, "CLSCTL_HOME": str(home), "CLSCTL_BACKEND": BACKEND},
    )


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A path of this test run, made by the first of pytest's processes that asks for it."""
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    root = factory.getbasetemp() if alone else factory.getbasetemp().parent
    path = root / name
    with FileLock(root / f"{name}.lock"):
        if not path.exists():
            make(path)
    return path


def spoilt_copy(source: Path, folder: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """A copy of a model directory with one file changed."""
    shutil.copytree(source, folder)
    (folder / name).write_bytes(change((folder / name).read_bytes()))
    return folder
