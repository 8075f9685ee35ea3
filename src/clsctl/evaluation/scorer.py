"""What evaluation asks of a model: to score a list of samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from clsctl.console.progress import no_progress
from clsctl.datasets.samples import Sample
from clsctl.plugin.descriptors import Executor
from clsctl.values import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.settings import Settings

BATCH = 32


class Scorer(Protocol):
    """A model that is ready to score images."""

    @property
    def name(self) -> str:
        """The architecture or model."""

    @property
    def source(self) -> Path:
        """The model directory or .pdparams file it was loaded from."""

    @property
    def runner(self) -> str:
        """What runs it, such as `onnxruntime on cpu`."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names by id; empty where it names none."""

    @property
    def classes(self) -> int:
        """How many it tells apart."""

    def score(
        self, samples: Sequence[Sample], root: Path, progress: Progress = no_progress
    ) -> NDArray[np.float32]:
        """Score images.

        Args:
            samples: N images.
            root: What their paths are relative to.

        Returns:
            Probabilities float32 [N, classes], in the order of the samples.

        Raises:
            ClsctlError: An image cannot be read, or the model cannot be run.
        """


@dataclass(frozen=True, slots=True)
class ScoringSetup:
    """How models are run to score images.

    Attributes:
        batch_size: Images in one run of the network; None is 32 for weights, and what is fastest
            for an exported model.
        executor: Where exported models run; in this process where it is None.
        options: The executor's own; see `clsctl.plugin.descriptors.Executor`.
    """

    settings: Settings
    batch_size: int | None = None
    executor: Executor | None = None
    options: object = None
