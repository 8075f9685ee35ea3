"""Start-up of the one-file build against clsctl as it is installed by pip.

    python benchmarks/one_file_start.py dist/clsctl-VERSION-linux-x86_64 INSTALLED_CLSCTL [rounds]

Runs A B A B ... in one go, after the file has unpacked itself, and prints medians and ratios. Both
use one store and one cache of their own, so that both predict from the same compiled model.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PHOTO = Path(__file__).parents[1] / "examples" / "coffee.png"
COMMANDS = (("--version",), ("models", "list"), ("predict", str(PHOTO), "-m", "EfficientNet-Lite0"))
LIMIT = 1.2


def main() -> None:
    programs = {"one file": sys.argv[1], "installed": sys.argv[2]}
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 15
    with tempfile.TemporaryDirectory() as home:
        settings = os.environ | {"CLSCTL_HOME": home}
        for command in COMMANDS:
            times: dict[str, list[float]] = {name: [] for name in programs}
            for _ in range(rounds + 1):
                for name, program in programs.items():
                    times[name].append(_seconds([program, *command], settings))
            # The first round unpacks and compiles.
            medians = [statistics.median(times[name][1:]) for name in programs]
            figures = "   ".join(f"{1000 * median:7.1f} ms" for median in medians)
            print(f"{command[0]:10} {figures}   {medians[0] / medians[1]:5.2f}   (limit {LIMIT})")


def _seconds(command: list[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    quiet = subprocess.DEVNULL
    subprocess.run(command, check=True, env=environment, stdout=quiet, stderr=quiet)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
