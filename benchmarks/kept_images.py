"""What keeping decoded images is worth in training, with photos of 12 megapixels.

    python benchmarks/kept_images.py FOLDER DATASET [MODEL ...] [--images 200] [--rounds 2]

FOLDER gets the dataset's images, enlarged to 4,000 x 3,000 pixels and with a camera's noise: as
many training images, and a quarter of that to validate with. Each model (EfficientNet-Lite0 with
its published weights, others from scratch) is trained for 3 epochs with `data.cache=none` and as it
is by itself, in turn. Printed are medians over rounds: seconds of the whole run, of its first epoch
and of its last one.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from hard_sets import pairs, write_lists

from clsctl.datasets.layouts.detect import read_valid_dataset

SIZE = (4000, 3000)
NOISE, QUALITY = 5.0, 90
PUBLISHED = "EfficientNet-Lite0"
WAYS = {"none": ("--set", "data.cache=none"), "auto": ()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("models", nargs="*", default=[PUBLISHED, "PP-LCNet_x1_0"])
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    photos = make_photos(options.dataset, options.folder / "photos", options.images)
    for model in options.models:
        found: dict[str, list[tuple[float, ...]]] = {way: [] for way in WAYS}
        for _ in range(options.rounds):
            for way in WAYS:
                found[way].append(train(model, photos, options.folder / "run", WAYS[way]))
        for way, seconds in found.items():
            whole, first, last = (
                statistics.median(column) for column in zip(*seconds, strict=True)
            )
            print(
                f"{model:20} {way:5} whole {whole:6.1f} s   first epoch {first:6.1f} s   "
                f"last {last:6.1f} s",
                flush=True,
            )


def make_photos(path: Path, folder: Path, images: int) -> Path:
    """Enlarge some images of each class, unless that was done before."""
    if folder.exists():
        return folder
    dataset, rng = read_valid_dataset(path), np.random.default_rng(0)
    lists = {}
    for split, count in (("train", images), ("val", images // 4)):
        samples = dataset.splits[split]
        chosen = [samples[place] for place in rng.permutation(len(samples))[:count]]
        lists[split] = [
            (enlarge(source, folder / split / f"{number}.jpg", rng), label)
            for number, (source, label) in enumerate(pairs(dataset, chosen))
        ]
    write_lists(folder, lists, dataset.class_names)
    return folder


def enlarge(source: Path, target: Path, rng: np.random.Generator) -> Path:
    image = cv2.resize(cv2.imread(str(source)), SIZE, interpolation=cv2.INTER_CUBIC)
    noisy = image + rng.normal(0, NOISE, image.shape).astype(np.float32)
    target.parent.mkdir(parents=True, exist_ok=True)
    pixels = noisy.clip(0, 255).astype(np.uint8)
    cv2.imwrite(str(target), pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return target


def train(model: str, photos: Path, run: Path, options: tuple[str, ...]) -> tuple[float, ...]:
    """Return the seconds of the run, of its first epoch and of its last."""
    shutil.rmtree(run, ignore_errors=True)
    command = [sys.executable, "-m", "clsctl", "train", "-m", model, "-d", photos, "-o", run]
    command += ["--epochs", 3, *options, *(() if model == PUBLISHED else ("--scratch",))]
    started = time.monotonic()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([*map(str, command)], check=True, **quiet)
    whole = time.monotonic() - started
    with (run / "results.csv").open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["train_loss"]]
    return whole, float(rows[0]["seconds"]), float(rows[-1]["seconds"])


if __name__ == "__main__":
    main()
