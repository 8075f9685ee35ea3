"""A small dataset with a wrong label in it, and a run whose network knows its classes fairly."""

from __future__ import annotations

import functools
from collections.abc import Collection
from pathlib import Path

import cv2
import models
import numpy as np
import pytest

import clsctl
from clsctl.exporting.network import export_network
from clsctl.images.preprocess import compile_transforms, transform_ops
from clsctl.values import Preprocessing

NAME = "MobileNetV1_x0_25"
CLASSES = ("red <b>", "green", "blue 蓝")
TRANSFORMS = transform_ops(Preprocessing(resize_short=36, crop=32))
TRAIN, VAL = 20, 12
SHARPNESS = 8
MISLABELLED = "val/0-3.png"


def dataset(factory: pytest.TempPathFactory) -> Path:
    """The dataset, made once in a test run."""
    return models.once(factory, "evaluating-dataset", make_dataset)


def run(factory: pytest.TempPathFactory) -> Path:
    """The run, made once in a test run."""
    data = dataset(factory)
    return models.once(factory, "evaluating-run", functools.partial(make_run, dataset=data))


def make_dataset(
    root: Path,
    wrong: Collection[str] = (MISLABELLED,),
    val: int = VAL,
    tint: tuple[float, float] = (10, 90),
    train: int = TRAIN,
) -> None:
    """Tinted noise by class; in val, some images are listed as blue, though they are not."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("val", val)):
        (root / split).mkdir(parents=True)
        lines = []
        for label in range(len(CLASSES)):
            for number in range(count):
                path = f"{split}/{label}-{number}.png"
                cv2.imwrite(str(root / path), tinted(rng, label, tint))
                lines.append(f"{path} {2 if path in wrong else label}\n")
        (root / f"{split}.txt").write_text("".join(lines), encoding="utf-8")
    names = "".join(f"{label} {name}\n" for label, name in enumerate(CLASSES))
    (root / "label.txt").write_text(names, encoding="utf-8")


def tinted(rng: np.random.Generator, label: int, tint: tuple[float, float]) -> np.ndarray:
    """Noise uint8 [40, 48, 3], BGR, brighter in the channel of its class by a random amount."""
    pixels = rng.normal(110, 40, (40, 48, 3))
    pixels[..., 2 - label] += rng.uniform(*tint)
    return pixels.clip(0, 255).astype(np.uint8)


def make_run(root: Path, dataset: Path) -> None:
    """A run's folder as `clsctl train` leaves it: weights, and the model directory beside them."""
    import paddle

    network = fitted_network(dataset)
    best = root / "best_model"
    (best / "inference").mkdir(parents=True)
    paddle.save(network.state_dict(), str(best / "best_model.pdparams"))
    export_network(network, best / "inference", NAME, TRANSFORMS, CLASSES, (32, 32))
    (root / "config.yaml").write_text(f"data:\n  path: {dataset}\n", encoding="utf-8")


def fitted_network(dataset: Path):
    """Random features, and a classifier on them by ridge regression: no training."""
    import paddle

    network = clsctl.build(NAME, num_classes=len(CLASSES), seed=0)
    network.eval()
    lines = (dataset / "train.txt").read_text(encoding="utf-8").splitlines()
    paths, labels = zip(*(line.split() for line in lines), strict=True)
    preprocess = compile_transforms(TRANSFORMS)
    images = [cv2.imread(str(dataset / path))[:, :, ::-1] for path in paths]
    with paddle.no_grad():
        inputs = np.stack([preprocess(np.ascontiguousarray(image)) for image in images])
        features = network.features(paddle.to_tensor(inputs)).numpy()
    centre = features.mean(0)
    centred, wanted = features - centre, np.eye(len(CLASSES))[np.array(labels, int)]
    kernel = centred @ centred.T
    ridge = kernel + 0.1 * np.eye(len(kernel)) * kernel.trace() / len(kernel)
    weight = SHARPNESS * centred.T @ np.linalg.solve(ridge, wanted - wanted.mean(0))
    network.fc.weight.set_value(weight.astype("float32"))
    network.fc.bias.set_value((-centre @ weight).astype("float32"))
    return network
