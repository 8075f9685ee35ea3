from __future__ import annotations

from pathlib import Path

import cv2
from tiny_training import write_dataset

from clsctl.datasets.layouts.detect import read_valid_dataset
from clsctl.training.run_dir.run_card import fingerprint


def test_the_fingerprint_knows_what_images_show(tmp_path: Path):
    data = write_dataset(tmp_path / "data")
    pictures = sorted((data / "images").iterdir())
    for path in pictures:  # uncompressed, so that sizes say nothing
        cv2.imwrite(str(path.with_suffix(".bmp")), cv2.imread(str(path)))
    for split in ("train", "val"):
        lists = data / f"{split}.txt"
        lists.write_text(lists.read_text().replace(".png", ".bmp"))
    before = fingerprint(read_valid_dataset(data))
    assert fingerprint(read_valid_dataset(data)) == before
    changed = pictures[0].with_suffix(".bmp")
    cv2.imwrite(str(changed), 255 - cv2.imread(str(changed)))
    assert fingerprint(read_valid_dataset(data)) != before
