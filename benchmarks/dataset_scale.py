"""Check and split a synthetic dataset of any size: images a second, and the peak of memory.

    python benchmarks/dataset_scale.py 100000
    python benchmarks/dataset_scale.py 1000000 --folder /data/million --only "check --fast" split

The images are small JPEGs, all different, in class folders. A folder that is there is used again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

COMMANDS = ("stats", "check", "check --fast", "split")
CLASSES = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=int)
    parser.add_argument("--side", type=int, default=32, help="of each image, in pixels")
    parser.add_argument("--folder", type=Path, help="kept; a temporary one where none is given")
    parser.add_argument("--only", nargs="+", choices=COMMANDS, default=COMMANDS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = (arguments.folder or Path(scratch) / "data").absolute()
        if not root.exists():
            make_tree(root, arguments.images, arguments.side)
        print(f"{'command':<14}{'seconds':>9}{'images/s':>10}{'MB':>8}{'status':>8}")
        for command in arguments.only:
            seconds, megabytes, status = measure(command, root, Path(scratch))
            rate = arguments.images / seconds
            print(f"{command:<14}{seconds:9.1f}{rate:10.0f}{megabytes:8}{status:8}", flush=True)


def make_tree(root: Path, images: int, side: int) -> None:
    """Write `train/CLASS/N.jpg` and `val/CLASS/N.jpg`, a tenth of them in val."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for label in range(CLASSES):
            (root / split / f"class_{label:03}").mkdir(parents=True)
    for number in range(images):
        coarse = rng.integers(0, 256, (6, 6, 3), np.uint8)
        pixels = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_LINEAR)
        content = cv2.imencode(".jpg", pixels)[1].tobytes()
        split = "train" if number % 10 else "val"
        folder = root / split / f"class_{number // 10 % CLASSES:03}"
        (folder / f"{number:08}.jpg").write_bytes(content)


def measure(command: str, root: Path, scratch: Path) -> tuple[float, int, int]:
    """Run `clsctl dataset COMMAND`; returns seconds, the peak in MB, and the exit status."""
    words = [sys.executable, "-m", "clsctl", "dataset", *command.split(), str(root)]
    words += ["--dry-run"] if command == "split" else []
    begun = time.perf_counter()
    with (scratch / "output.txt").open("wb") as output:
        process = subprocess.Popen(words, stdout=output, stderr=output, cwd=scratch)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    return seconds, round(usage.ru_maxrss / 1024), process.returncode


if __name__ == "__main__":
    main()
