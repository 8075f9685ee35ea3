"""Start-up of light commands against the imports that they cannot do without.

    python benchmarks/startup.py [rounds]

Runs A B A B ... in one go and prints medians and ratios, of the clock and of the processor's time,
which says more on a machine that is not idle.
"""

from __future__ import annotations

import os
import resource
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
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            times[name].append(_seconds(command))
    medians = {
        name: [*map(statistics.median, zip(*runs, strict=True))] for name, runs in times.items()
    }
    base = medians["baseline imports"]
    print(f"{'':20}   clock   ratio  processor   ratio   (limit {LIMIT})")
    for name, (clock, processor) in medians.items():
        print(
            f"{name:20} {clock * 1000:6.1f} ms {clock / base[0]:6.2f}"
            f"  {processor * 1000:6.1f} ms {processor / base[1]:7.2f}"
        )


def _seconds(command: list[str]) -> tuple[float, float]:
    """Run a command; returns seconds of the clock and of the processor."""
    # Compiled modules are part of an installation.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    start, before = time.perf_counter(), _processor_seconds()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - start, _processor_seconds() - before


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
