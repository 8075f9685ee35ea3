"""Start-up of light commands against the imports that they cannot do without.

    python benchmarks/startup.py [rounds]

Runs A B A B ... in one go and prints medians and ratios: the machine may be noisy.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

BASELINE = [sys.executable, "-c", "import typer, rich.table, pluggy, platformdirs"]
COMMANDS = {
    "baseline imports": BASELINE,
    "clsctl --version": [sys.executable, "-m", "clsctl", "--version"],
    "clsctl --help": [sys.executable, "-m", "clsctl", "--help"],
    "clsctl models list": [sys.executable, "-m", "clsctl", "models", "list"],
}
LIMIT = 1.8


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            times[name].append(_seconds(command))
    base = statistics.median(times["baseline imports"])
    for name, seconds in times.items():
        median = statistics.median(seconds)
        print(f"{name:20} {median * 1000:7.1f} ms   {median / base:5.2f}   (limit {LIMIT})")


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
