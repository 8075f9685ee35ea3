from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_training import CLASSES, MODEL

import clsctl
from clsctl.models.catalog import get_entry

TEACHER = "EfficientNet-Lite0"
STILL = {"augment.crop_scale": (1, 1), "augment.crop_ratio": (1, 1), "augment.flip": 0}


def test_a_teacher_sees_images_normalised_as_its_own_were(tmp_path: Path):
    """Without learning, the loss is how far the student's scores are from its teacher's."""
    import paddle
    from paddle.nn import functional as F

    pixels = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    for split in ("train", "val"):
        for number, image in enumerate(pixels):
            folder = tmp_path / "data" / split / CLASSES[number % 3]
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f"{number}.png"), image)
    teacher = clsctl.build(TEACHER, num_classes=3, pretrained=True, seed=1)
    weights = tmp_path / "teacher.pdparams"
    paddle.save(teacher.state_dict(), str(weights))
    result = clsctl.train(
        MODEL,
        tmp_path / "data",
        tmp_path / "run",
        pretrained=False,
        epochs=1,
        batch_size=6,
        batch_norm="frozen",
        distill={"teacher": TEACHER, "weights": str(weights), "share": 1.0, "temperature": 1.0},
        **{"data.image_size": 64, "optimizer.learning_rate": 1e-12, **STILL},
    )
    logits = []
    for name, network in ((MODEL, clsctl.build(MODEL, num_classes=3, seed=0)), (TEACHER, teacher)):
        network.eval()
        published = get_entry(name).preprocessing
        images = (pixels[..., ::-1] / 255 - published.mean) / published.std
        planes = paddle.to_tensor(images.astype("float32").transpose(0, 3, 1, 2))
        logits.append(F.log_softmax(network(planes)))
    student, wanted = logits
    expected = float((wanted.exp() * (wanted - student)).sum(axis=-1).mean())
    assert result.history[0]["train_loss"] == pytest.approx(expected, rel=1e-3)  # float32
