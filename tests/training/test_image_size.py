"""A network may be trained for images of any height and width."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from tiny_training import MODEL, OPTIONS, write_dataset

import clsctl as library
from clsctl.errors import UsageError

SIZE = {"data.image_size": (64, 160), "pretrained": False, "epochs": 1, "batch_size": 6}

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_whole_way_with_an_input_that_is_not_square(tmp_path: Path, call: Callable) -> None:
    data, run = write_dataset(tmp_path / "data"), tmp_path / "run"
    result = library.train(MODEL, data, run, **SIZE)
    model = run / "best_model/inference"
    settings = yaml.safe_load((model / "inference.yml").read_text())
    resize, crop, *_ = settings["PreProcess"]["transform_ops"]
    # Width and height, as PaddleX reads them: the input, and 73 / 64 of it, which is about the
    # 256 / 224 of the published size.
    assert resize == {"ResizeImage": {"size": [round(160 * 73 / 64), 73]}}
    assert crop == {"CropImage": {"size": [160, 64]}}

    assert library.evaluate(data, model_dir=model).top1 == result.top1
    assert library.evaluate(data, weights=run).top1 == result.top1
    image = next(data.glob("images/*"))
    predict = call("predict", image, "--model-dir", model, "--format", "jsonl")
    assert len(json.loads(predict.stdout)["class_ids"]) == 3, predict.stderr

    assert call("export", "--weights", run, "-o", "onnx", "--to", "onnx").returncode == 0
    assert library.evaluate(data, model_dir=tmp_path / "onnx").top1 == result.top1
    assert call("explain", image, "-m", run, "-o", "map.png").returncode == 0
    with Image.open(tmp_path / "map.png") as picture:
        # Two views side by side, each as wide as high by 160 to 64, below the caption.
        assert picture.width / 2 / (picture.height - 64) == pytest.approx(160 / 64, abs=0.01)


def test_the_size_is_an_option(tmp_path: Path, call: Callable) -> None:
    data = write_dataset(tmp_path / "data")
    train = ("train", "-m", MODEL, "-d", data, *OPTIONS[:3], "--explain-config", "--image-size")
    for text, shown in {"96x320": r"96, ?320", "96": r"96\s"}.items():
        assert re.search(rf"data\.image_size +\[?{shown}", call(*train, text).stdout)
    for text in ("96x", "x", "0x32", "1x2x3", "wide", "0"):
        done = call(*train, text)
        assert done.returncode == 2
        assert "96x320" in done.stderr


def test_a_square_given_by_two_numbers_is_a_square(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data")
    result = library.train(MODEL, data, tmp_path / "run", **SIZE | {"data.image_size": (64, 64)})
    settings = yaml.safe_load((result.model_dir / "inference.yml").read_text())
    resize, crop, *_ = settings["PreProcess"]["transform_ops"]
    assert (resize, crop) == ({"ResizeImage": {"resize_short": 73}}, {"CropImage": {"size": 64}})


def test_a_network_that_takes_squares_alone_refuses(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data")
    with pytest.raises(UsageError, match=r"CLIP\w+ takes square images alone, not 64 x 160"):
        library.train("CLIP_vit_base_patch16_224", data, tmp_path / "run", **SIZE)


def test_a_search_compares_models_on_squares(tmp_path: Path, clsctl: Callable) -> None:
    data = write_dataset(tmp_path / "data")
    done = clsctl("train", "-d", data, "--time", "1m", "--image-size", "64x160")
    assert done.returncode == 2
    assert "square" in done.stderr


def test_a_resize_that_is_smaller_than_the_input_is_refused(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data")
    with pytest.raises(UsageError, match="no input of 64 pixels"):
        library.train(MODEL, data, tmp_path / "run", **SIZE | {"data.resize_short": 63})


def test_windows_take_any_shape() -> None:
    import paddle

    network = library.build("SwinTransformer_tiny_patch4_window7_224", num_classes=3, seed=0)
    network.eval()
    scores = network(paddle.zeros([1, 3, 64, 160])).numpy()
    assert scores.shape == (1, 3)
    assert np.isfinite(scores).all()
