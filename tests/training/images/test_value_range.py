"""A dataset of 16-bit images is learnt and predicted by the range of its values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pictures
import pytest
import yaml
from tiny_training import MODEL

import clsctl
from clsctl.datasets.samples import Sample
from clsctl.errors import DataError, UsageError
from clsctl.settings import Settings
from clsctl.training.images.value_range import find_value_range
from clsctl.values import ValueRange

pytestmark = pytest.mark.usefixtures("one_thread")

LOW = 1000
FAST = {"pretrained": False, "batch_size": 8, "epochs": 1, "data.image_size": 64}


def write(root: Path) -> Path:
    """Two classes that differ by 60 of 200 values, all of which have one of two high bytes."""
    rng = np.random.default_rng(0)
    files = {}
    for label, name in enumerate(("dark", "light")):
        for number in range(11):
            values = LOW + rng.integers(0, 140, (80, 90)) + 60 * label
            split = "train" if number < 8 else "val"
            content = cv2.imencode(".png", values.astype("u2"))[1].tobytes()
            files[f"{split}/{name}/{number}.png"] = content
    pictures.write(root, files)
    return root


def transforms(model: Path) -> list[dict[str, Any]]:
    return yaml.safe_load((model / "inference.yml").read_text())["PreProcess"]["transform_ops"]


def change_transforms(model: Path, change: Callable[[list[Any]], list[Any]]) -> None:
    settings = yaml.safe_load((model / "inference.yml").read_text())
    settings["PreProcess"]["transform_ops"] = change(transforms(model))
    (model / "inference.yml").write_text(yaml.safe_dump(settings))


def samples(root: Path) -> list[Sample]:
    found = sorted(path.relative_to(root) for path in root.glob("train/*/*"))
    return [Sample(path.as_posix(), 0, "train.txt", 0) for path in found]


def test_such_images_are_trained_on_and_predicted_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model gives what it gives of the same images, brought to 8 bits by hand."""
    data, run = write(tmp_path / "data"), tmp_path / "run"
    result = clsctl.train(MODEL, data, run, **FAST)
    assert "(uint16) as black to white (data.value_range)" in capsys.readouterr().err
    model = run / "best_model/inference"
    span = transforms(model)[0]["DecodeImage"]["value_range"]
    # All of 200 values appear, and of no image does more than a thousandth lie beyond each end.
    assert (span["low"], span["high"]) == pytest.approx((LOW, LOW + 199), abs=2)

    exported = clsctl.evaluate(data, model_dir=model)
    assert exported.top1 == clsctl.evaluate(data, weights=run).top1 == result.top1
    for path in data.glob("*/*/*"):
        values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype("f4")
        shown = (values - span["low"]) * (255 / (span["high"] - span["low"]))
        cv2.imwrite(str(path), np.rint(shown.clip(0, 255)).astype("u1"))
    change_transforms(model, lambda found: found[1:])
    by_hand = clsctl.evaluate(data, model_dir=model)
    np.testing.assert_array_equal(by_hand.scores, exported.scores)


def test_a_photo_is_refused_by_such_a_model(tmp_path: Path, call: Callable, tiny: Path) -> None:
    model = tmp_path / "model"
    pictures.write(model, {path.name: path.read_bytes() for path in tiny.iterdir()})
    span = {"low": 0, "high": 4095, "dtype": "uint16"}
    change_transforms(model, lambda found: [{"DecodeImage": {"value_range": span}}, *found])
    pictures.write(tmp_path, {"photo.png": pictures.encoded(pictures.photo(), "PNG")})
    done = call("predict", "photo.png", "--model-dir", model)
    assert done.returncode == 7
    assert "E_IMAGE_DEPTH" in done.stdout
    assert "0 to 4095 (uint16)" in done.stdout


def test_eight_bits_and_what_fills_16_need_no_range(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any other program can then run the model, too."""
    rng = np.random.default_rng(0)
    eight, sixteen = (rng.integers(0, most, (9, 9, 3)) for most in (256, 65536))
    for name, pixels in {"8": eight.astype("u1"), "16": sixteen.astype("u2")}.items():
        content = cv2.imencode(".png", pixels)[1].tobytes()
        pictures.write(tmp_path / name, {"train/a/1.png": content})
        root = tmp_path / name
        assert find_value_range(samples(root), root, Settings(), "auto") is None
        said = capsys.readouterr().err
        assert ("uint16" in said) == (name == "16")


def test_images_of_several_depths_are_read_as_before_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path)
    pictures.write(tmp_path, {"train/light/a.png": pictures.encoded(pictures.photo(), "PNG")})
    assert find_value_range(samples(tmp_path), tmp_path, Settings(), "auto") is None
    assert "several types, uint16, uint8" in capsys.readouterr().err


def test_the_range_can_be_set_and_turned_off(tmp_path: Path) -> None:
    root = write(tmp_path)
    found = find_value_range(samples(root), root, Settings(), (0.0, 4095.0))
    assert found == ValueRange(0, 4095, "uint16")
    assert find_value_range(samples(root), root, Settings(), "off") is None
    with pytest.raises(UsageError, match="low must be less than high"):
        find_value_range(samples(root), root, Settings(), (4095.0, 0.0))
    photo = pictures.encoded(pictures.photo(), "PNG")
    pictures.write(tmp_path / "photos", {"train/a/1.png": photo})
    with pytest.raises(UsageError, match="uint8"):
        find_value_range(
            samples(tmp_path / "photos"), tmp_path / "photos", Settings(), (0.0, 4095.0)
        )


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    pictures.write(tmp_path, {"train/a/1.png": b"nothing"})
    with pytest.raises(DataError, match=r"train/a/1\.png"):
        find_value_range(samples(tmp_path), tmp_path, Settings(), "auto")
