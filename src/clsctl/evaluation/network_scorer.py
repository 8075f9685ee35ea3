"""Score images with training weights, by the training network itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clsctl.console.progress import no_progress
from clsctl.datasets.samples import Sample
from clsctl.errors import UsageError
from clsctl.evaluation.scorer import BATCH, ScoringSetup
from clsctl.evaluation.scoring import count_classes, score_batches, score_function
from clsctl.inference.devices import paddle_on, select_device
from clsctl.loading.loader import open_loader
from clsctl.networks.trained_weights import TrainedModel
from clsctl.onednn.choice import evaluating
from clsctl.plugin.registry import default_registry
from clsctl.system.cpu import available_cores
from clsctl.values import DeviceId, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from paddle import nn

    from clsctl.settings import Settings


@dataclass(frozen=True, slots=True, eq=False)
class NetworkScorer:
    """A training network with its weights; see `clsctl.evaluation.scorer.Scorer`."""

    model: TrainedModel
    network: nn.Layer
    classes: int
    device: DeviceId
    setup: ScoringSetup

    @classmethod
    def open(cls, model: TrainedModel, setup: ScoringSetup) -> NetworkScorer:
        """Load the network.

        Raises:
            UsageError: A backend, precision or executor is requested, which exported models alone
                have (`E_MODEL_CHOICE`).
            ModelError: The weights cannot be used.
        """
        _require_plain(setup)
        device = select_device(setup.settings.device, default_registry())
        with paddle_on(device):
            network = model.build_network()
            classes = count_classes(score_function(network), model.transforms)
        return cls(model, network, classes, device, setup)

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def source(self) -> Path:
        return self.model.weights

    @property
    def runner(self) -> str:
        return f"the training network on {self.device}"

    @property
    def labels(self) -> tuple[str, ...]:
        return self.model.labels

    def score(
        self, samples: Sequence[Sample], root: Path, progress: Progress = no_progress
    ) -> NDArray[np.float32]:
        setup = self.setup
        transforms = self.model.transforms
        loader = open_loader(samples, root, transforms, setup.settings, setup.batch_size or BATCH)
        threads = setup.settings.threads or available_cores()
        with evaluating(self.network, self.device, threads):
            return score_batches(score_function(self.network), loader, progress)


def _require_plain(setup: ScoringSetup) -> None:
    settings, executor = setup.settings, setup.executor
    if _requested(settings, "backend") and settings.backend != "auto":
        raise _only_exported(f"do not run on the backend '{settings.backend}'")
    if _requested(settings, "precision") and settings.precision != "fp32":
        raise _only_exported(f"do not run in {settings.precision}")
    if executor is not None and not executor.in_process:
        raise _only_exported(f"are evaluated in this process, not by --executor {executor.name}")


def _requested(settings: Settings, name: str) -> bool:
    return settings.origins.get(name) == "option"


def _only_exported(reason: str) -> UsageError:
    return UsageError(
        f"training weights {reason}",
        code="E_MODEL_CHOICE",
        hint="a run exports them: --model-dir RUN/best_model/inference",
    )
