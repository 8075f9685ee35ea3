"""What a training run works on, fixed before its first step: TrainJob."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.datasets.samples import Dataset
from clsctl.loading.loader import Loader
from clsctl.loading.mix import Mixer
from clsctl.onednn.choice import NO_ACCELERATION, Acceleration
from clsctl.training.distributed.process_group import SINGLE_PROCESS, ProcessGroup
from clsctl.training.signals import Stop
from clsctl.values import DeviceId, Preprocessing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.training.config.train_config import TrainConfig
    from clsctl.training.start.start import Start


@dataclass(frozen=True)
class TrainJob:
    """What a run works on.

    Attributes:
        labels: Class names by id.
        preprocessing: Of evaluation and of the exported model.
        mixer: Batches -> images and soft targets.
        class_weights: float32 [C] for the loss; None where all count the same.
        logit_adjustment: float32 [C], what is added to the logits in the loss; None for nothing.
        group: The processes that train together; each loads its part of the images.
        accelerate: What a network is run in: `with job.accelerate(network): ...`.
        start: A new network's weights where they were fitted; None where a file has them.
        deadline: When the run has to end, by `time.monotonic()`.
        stop: Once set, the run is saved and ends.
    """

    config: TrainConfig
    dataset: Dataset
    labels: tuple[str, ...]
    device: DeviceId
    preprocessing: Preprocessing
    train: Loader
    val: Loader
    mixer: Mixer
    class_weights: NDArray[np.float32] | None
    logit_adjustment: NDArray[np.float32] | None
    group: ProcessGroup = SINGLE_PROCESS
    accelerate: Acceleration = NO_ACCELERATION
    start: Start | None = None
    deadline: float = math.inf
    stop: Stop = field(default_factory=Stop)

    @property
    def steps_per_epoch(self) -> int:
        most = -(-len(self.train) // self.config.optimizer.accumulate)
        return min(self.config.steps_per_epoch or most, most)

    @property
    def images_per_epoch(self) -> int:
        """Over all processes."""
        config = self.config
        step = config.batch_size * config.optimizer.accumulate * self.group.rank.size
        return min(self.steps_per_epoch * step, len(self.train.samples))

    @property
    def starts_fitted(self) -> bool:
        """Whether the network can classify before the first step: see `fit_start`."""
        return self.config.start.fit and bool(self.config.weights or self.config.pretrained)

    @property
    def run_dir(self) -> Path:
        return Path(self.config.output)
