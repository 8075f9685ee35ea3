"""How long building a network takes, after the imports.

    python benchmarks/build.py [NAME ...]

Prints the median of several builds, and of loading weights of the network's own into it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import paddle

import clsctl

ROUNDS = 7
DEFAULT = "PP-LCNet_x1_0"
LIMIT_MS = 150


def main() -> None:
    for name in sys.argv[1:] or [DEFAULT]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "weights.pdparams")
            paddle.save(clsctl.build(name).state_dict(), str(path))
            fresh = _median_ms(lambda name=name: clsctl.build(name))
            loaded = _median_ms(lambda name=name, path=path: clsctl.build(name, pretrained=path))
        limit = f"   (limit {LIMIT_MS} ms)" if name == DEFAULT else ""
        print(f"{name:42} fresh {fresh:7.1f} ms   with weights {loaded:7.1f} ms{limit}")


def _median_ms(build: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        build()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


if __name__ == "__main__":
    main()
