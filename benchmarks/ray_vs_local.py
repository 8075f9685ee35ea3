"""From how many images on a Ray cluster pays: what it costs to start, and what it does a second.

    python benchmarks/ray_vs_local.py [FEW] [MANY]

Both executors classify the same photo FEW and MANY times with the small model of the tests, on the
cores of this machine. The difference gives the images a second, the rest is the start. A cluster
of m such machines is then quicker from n images on, where n / local = start + n / (m * ray).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/support"))

import models
import pictures

EXECUTORS = ("local", "ray")
MACHINES = (2, 4, 16)
ROUNDS = 2


def main() -> None:
    few, many = map(int, sys.argv[1:3]) if len(sys.argv) > 2 else (2_000, 20_000)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["CLSCTL_HOME"] = str(folder / "home")
        models.export_tiny(folder / "model")
        photo = pictures.encoded(pictures.photo(375, 500), "JPEG")
        pictures.write(folder, {"photo.jpg": photo})
        _seconds(folder, "local", 1)  # prepares the model
        best = {
            (executor, size): min(_seconds(folder, executor, size) for _ in range(ROUNDS))
            for size in (few, many)
            for executor in EXECUTORS
        }
    rates, starts = {}, {}
    for executor in EXECUTORS:
        rates[executor] = (many - few) / (best[executor, many] - best[executor, few])
        starts[executor] = best[executor, few] - few / rates[executor]
        print(f"{executor:6} start {starts[executor]:5.1f} s, {rates[executor]:6.0f} images/s")
    extra = starts["ray"] - starts["local"]
    for machines in MACHINES:
        gain = 1 / rates["local"] - 1 / (machines * rates["ray"])
        print(f"{machines:3} machines pay from {extra / gain:,.0f} images on")


def _seconds(folder: Path, executor: str, size: int) -> float:
    (folder / "list.txt").write_text("photo.jpg\n" * size)
    command = [sys.executable, "-m", "clsctl", "predict", "@list.txt", "--executor", executor]
    command += ["--model-dir", "model", "--backend", models.BACKEND, "-o", f"{size}.jsonl"]
    start = time.perf_counter()
    subprocess.run(command, check=True, cwd=folder)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
