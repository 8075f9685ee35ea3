"""How far rounding alone can move a result, found by moving what it is computed from.

Two programs that add the same numbers in another order differ by their roundings, which no fixed
tolerance bounds: it depends on the processor how, and on the numbers how much. Moving every number
that goes in by one unit in the last place shows how much a rounding matters to what comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

ROUNDINGS = 64
"""Times the deviation of nudged inputs: what may be due to rounding.

A nudge is one rounding of each number. A sum of n terms makes n roundings more, of partial sums
that grow like the square root of n: together about that root times the nudges of the terms.
No sum in these tests has more than 64 ** 2 terms.
"""

TRIALS = 4

Arrays = Mapping[str, NDArray[np.float32]]


def nudged(array: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Every number moved by one unit in the last place, up or down at random."""
    towards = np.where(rng.random(array.shape) < 0.5, -np.inf, np.inf).astype(np.float32)
    return np.nextafter(array, towards)


def allowed(exact: Arrays, compute: Callable[[np.random.Generator], Arrays]) -> dict[str, float]:
    """The largest difference of each result that may be due to rounding.

    Args:
        exact: The results.
        compute: Computes them once more, from inputs that it nudges with the generator.
    """
    trials = [compute(np.random.default_rng(seed)) for seed in range(TRIALS)]
    return {
        name: ROUNDINGS * max(float(np.abs(trial[name] - value).max()) for trial in trials)
        for name, value in exact.items()
    }
