"""Calibrate probabilities: apply a stored temperature to what a session returns.

A temperature T divides the logits (Guo et al. 2017, arXiv:1706.04599). Exported models give
probabilities, whose logarithms are logits but for a constant that the softmax takes out again, so
`p ** (1 / T)`, normalised, is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from clsctl.errors import ModelError
from clsctl.models.provenance import read_facts
from clsctl.result import softmax
from clsctl.schema.constraints import Fraction, Range
from clsctl.schema.errors import SchemaError
from clsctl.schema.read import read

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.values import Session


KEY = "calibration"
COLDEST, HOTTEST = 0.05, 20.0

BLOCK = 1 << 14
"""Numbers of double precision, 128 kB, of which there are a few."""


@dataclass(frozen=True, slots=True)
class StoredThreshold:
    score: Fraction = 0.0


@dataclass(frozen=True, slots=True)
class StoredCalibration:
    """What of a stored calibration prediction needs; `clsctl calibrate` writes more."""

    temperature: Annotated[float, Range(COLDEST, HOTTEST)]
    threshold: StoredThreshold | None = None


def apply_temperature(scores: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Return probabilities float32 [N, C] as if their logits were divided by the temperature."""
    import numpy as np

    if temperature == 1:
        return scores
    found = np.empty(scores.shape, np.float32)
    for rows in blocks(scores):
        found[rows] = softmax(log_probabilities(scores[rows]) / temperature)
    return found


def read_calibration(directory: Path) -> tuple[float, float]:
    """Read the temperature and the threshold of a model directory; 0 where there is no threshold.

    Raises:
        ModelError: The model was never calibrated (`E_NOT_CALIBRATED`), or what is stored is
            damaged (`E_PROVENANCE`).
    """
    stored = read_facts(directory).get(KEY)
    if stored is None:
        raise ModelError(
            f"the model in {directory} is not calibrated",
            code="E_NOT_CALIBRATED",
            hint=f"`clsctl calibrate --model-dir {directory} -d DATASET`",
        )
    try:
        calibration = read(StoredCalibration, stored, extra_keys=True)
    except SchemaError as error:
        raise ModelError(
            f"the calibration in {directory} is damaged: {error}",
            code="E_PROVENANCE",
            hint="run `clsctl calibrate` again",
        ) from None
    threshold = calibration.threshold
    return calibration.temperature, threshold.score if threshold else 0.0


class CalibratedSession:
    """A session whose probabilities are calibrated."""

    def __init__(self, session: Session, temperature: float) -> None:
        self._session, self._temperature = session, temperature

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute calibrated scores [N, classes] for a batch [N, 3, H, W]."""
        return apply_temperature(self._session.run(batch), self._temperature)


def blocks(scores: NDArray[np.floating]) -> Iterator[slice]:
    """Divide the rows of scores [N, C] into blocks that stay in a processor's cache."""
    rows = max(BLOCK // scores.shape[1], 1)
    return (slice(first, first + rows) for first in range(0, len(scores), rows))


def log_probabilities(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Take logarithms in double precision; what float32 rounded to 0 counts as its least number."""
    import numpy as np

    logs: NDArray[np.float64] = np.log(
        np.maximum(scores, np.finfo(np.float32).tiny), dtype=np.float64
    )
    return logs
