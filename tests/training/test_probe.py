"""A run that learns nothing shows the classifier that it starts with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_training import CLASSES, MODEL, write_dataset

import clsctl
from clsctl.checkpoints import read_pdparams

STILL = {
    "batch_size": 6,
    "epochs": 1,
    "data.image_size": 64,
    "optimizer.learning_rate": 1e-12,
    "optimizer.weight_decay": 0,
    "freeze_until": "head",
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data")


def weights_for(classes: int, path: Path) -> Path:
    import paddle

    network = clsctl.build(MODEL, num_classes=classes, seed=0)
    network.fc.bias.set_value(np.linspace(-1, 1, classes, dtype="float32"))
    paddle.save(network.state_dict(), str(path))
    return path


def test_a_new_classifier_is_fitted_to_the_features(data: Path, tmp_path: Path):
    weights = str(weights_for(5, tmp_path / "other.pdparams"))
    fitted = clsctl.train(MODEL, data, tmp_path / "fitted", weights=weights, **STILL)
    random = clsctl.train(MODEL, data, tmp_path / "no", weights=weights, few_images=0, **STILL)
    assert fitted.top1 > random.top1
    assert fitted.top1 >= 2 / 3


def test_a_trained_classifier_is_kept(data: Path, tmp_path: Path):
    weights = weights_for(len(CLASSES), tmp_path / "same.pdparams")
    result = clsctl.train(MODEL, data, tmp_path / "run", weights=str(weights), **STILL)
    before, after = read_pdparams(weights), read_pdparams(result.weights)
    assert after["fc.weight"] == pytest.approx(before["fc.weight"], abs=1e-6)
