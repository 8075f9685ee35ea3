"""The fixtures of tests/support/fixtures.py, for every test below this folder."""

from fixtures import (
    call,
    clsctl,
    dataset,
    home,
    one_thread,
    processor_with,
    ready,
    run,
    run_cache,
    run_ready,
    tiny,
    tiny_cache,
)

__all__ = [
    "call",
    "clsctl",
    "dataset",
    "home",
    "one_thread",
    "processor_with",
    "ready",
    "run",
    "run_cache",
    "run_ready",
    "tiny",
    "tiny_cache",
]
