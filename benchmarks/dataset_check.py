"""`clsctl dataset check` against a bare OpenCV decode loop over the same files and cores.

    python benchmarks/dataset_check.py [images] [rounds]

Makes different JPEGs of some 20 KB in a temporary folder, runs A B A B ... in one go and prints
medians and ratios: the machine may be noisy. Each run is a process of its own, so that peak memory
is that of one check.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

SIZE = (256, 341)
CLASSES = 10
MEASURED = """
import json, os, resource, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
root, mode = Path(sys.argv[1]), sys.argv[2]
cores = len(os.sched_getaffinity(0))

def bare():
    import cv2, numpy as np
    cv2.setNumThreads(0)
    names = [line.split()[0] for line in open(root / "train.txt")]
    names += [line.split()[0] for line in open(root / "val.txt")]
    def decode(part):
        for name in part:
            cv2.imdecode(np.fromfile(root / name, np.uint8), cv2.IMREAD_COLOR)
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(decode, [names[at : at + 32] for at in range(0, len(names), 32)]))

def check():
    from clsctl.datasets.check import check_dataset
    assert check_dataset(root, fast=mode == "fast").passed

start = time.perf_counter()
bare() if mode == "bare" else check()
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "MiB": peak}))
"""


def main() -> None:
    images = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory() as folder:
        size = make_dataset(Path(folder), images)
        print(f"{images:,} images of {size / images / 1000:.1f} KB")
        runs: dict[str, list[dict[str, float]]] = {"bare": [], "full": [], "fast": []}
        for _ in range(rounds):
            for mode, done in runs.items():
                done.append(_run(folder, mode))
    base = statistics.median(run["seconds"] for run in runs["bare"])
    for mode, done in runs.items():
        seconds = statistics.median(run["seconds"] for run in done)
        peak = max(run["MiB"] for run in done)
        print(f"{mode:5} {seconds:8.2f} s   {base / seconds:6.3f} of bare   {peak:6.0f} MiB")


def make_dataset(root: Path, images: int) -> int:
    """Write lists and different photo-like images; returns their bytes."""
    generator = np.random.default_rng(0)
    (root / "images").mkdir()
    (root / "label.txt").write_text("".join(f"{i} class {i}\n" for i in range(CLASSES)))
    lists: dict[str, list[str]] = {"train": [], "val": []}
    size = 0
    for number in range(images):
        coarse = generator.integers(0, 256, (12, 16, 3), np.uint8)
        fine = generator.integers(0, 90, (SIZE[0] // 2, SIZE[1] // 2, 3), np.uint8)
        photo = cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC) // 2
        photo = photo + cv2.resize(fine, SIZE[::-1], interpolation=cv2.INTER_LINEAR)
        _, encoded = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 78])
        name = f"images/{number}.jpg"
        (root / name).write_bytes(encoded.tobytes())
        size += len(encoded)
        lists["val" if number % 10 == 9 else "train"].append(f"{name} {number // 10 % CLASSES}\n")
    for split, lines in lists.items():
        (root / f"{split}.txt").write_text("".join(lines))
    return size


def _run(folder: str, mode: str) -> dict[str, float]:
    command = [sys.executable, "-c", MEASURED, folder, mode]
    result: dict[str, float] = json.loads(subprocess.check_output(command))
    return result


if __name__ == "__main__":
    main()
