"""The weights that a run starts with where they are not those of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.evaluation.metrics import Comparison


MOST_LOST = 0.05
"""Of the accuracy: photos may lose less although flips do not change what they show."""


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """A network that can classify before the first step.

    Attributes:
        weights: Of the whole network, by name.
        statistics: Batch normalisation's: `published` or `reestimated`.
        report: What was compared and what was best, in one line.
        flips: Images that the classifier was not fitted to, against their mirror images.
    """

    weights: Mapping[str, NDArray[np.float32]]
    statistics: str
    report: str
    flips: Comparison

    @property
    def flips_confuse(self) -> bool:
        """Whether images surely lose more by being flipped than features shift anyway."""
        return self.flips.interval[1] < -MOST_LOST
