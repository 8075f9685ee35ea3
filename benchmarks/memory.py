"""Memory and throughput while thousands of inputs are classified: both have to stay as they are.

    python benchmarks/memory.py [INPUTS] [BATCH]

The inputs are one small JPEG, named again and again in a list; the model is the small one of the
tests. Prints the process's resident memory, and the images a second since the line
before, at points on the way.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/support"))

import models
import pictures

POINTS = 10


def main() -> None:
    inputs = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    batch = sys.argv[2] if len(sys.argv) > 2 else "1"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        models.export_tiny(folder / "model")
        photo = pictures.encoded(pictures.photo(375, 500), "JPEG")
        [path] = pictures.write(folder, {"photo.jpg": photo}).values()
        (folder / "list.txt").write_text(f"{path}\n" * inputs)
        command = [sys.executable, "-m", "clsctl", "predict", f"@{folder / 'list.txt'}"]
        command += ["--model-dir", str(folder / "model"), "--format", "jsonl", "-b", batch]
        _watch(command, inputs)


def _watch(command: list[str], inputs: int) -> None:
    step, since = inputs // POINTS, time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for number, _ in enumerate(process.stdout, start=1):
            if number % step == 0 and number < inputs:
                now = time.perf_counter()
                speed, since = step / (now - since), now
                memory = _resident(process.pid) / 1024
                print(f"{number:>8} inputs  {memory:7.1f} MiB  {speed:8.1f} images/s", flush=True)


def _resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])  # type: ignore[index]


if __name__ == "__main__":
    main()
