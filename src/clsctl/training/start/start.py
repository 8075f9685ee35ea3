"""The weights that a run starts with where they are not those of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """A network that can classify before the first step.

    Attributes:
        weights: Of the whole network, by name.
        statistics: Batch normalisation's: `published` or `reestimated`.
        report: What was compared and what was best, in one line.
    """

    weights: Mapping[str, NDArray[np.float32]]
    statistics: str
    report: str
