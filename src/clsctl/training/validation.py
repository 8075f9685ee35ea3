"""Measure a network on the validation images, shared between the processes that train together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clsctl.evaluation.calibration import mean_nll
from clsctl.evaluation.metrics import label_ranks
from clsctl.evaluation.scoring import score_batches, score_function
from clsctl.training.job import TrainJob

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clsctl.networks.base import Network

TOP_K = 5
"""Top-5 says nothing where there are no more classes than that."""


@dataclass(frozen=True, slots=True, eq=False)
class Validation:
    """What a network is worth.

    Attributes:
        loss: Mean negative log-likelihood of the right classes, in nats.
        top1: Share of the images whose class came first, 0 to 1.
        top5: Share of them whose class was among the first five; None with five classes or fewer.
        right: For each image whether its class came first, bool [N].
        scores: Of the images that this process evaluated, float32 [n, C].
        labels: Their classes, int64 [n].
    """

    loss: float
    top1: float
    top5: float | None
    right: NDArray[np.bool_]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]

    def figures(self) -> dict[str, float]:
        """Return what a run's history keeps."""
        found = {"val_loss": self.loss, "top1": self.top1}
        return found if self.top5 is None else {**found, "top5": self.top5}


def validate(job: TrainJob, network: Network) -> Validation:
    """Evaluate a network; each process takes its part of the images."""
    import numpy as np

    network.eval()
    job.group.broadcast_weights(network)
    samples, classes = job.val.samples, len(job.labels)
    labels = np.array([sample.label for sample in samples], np.int64)
    scores = np.zeros((0, classes), np.float32)
    with job.group.keep_alive(), job.accelerate(network):
        if samples:
            scores = score_batches(score_function(network), job.val)
    ranks = label_ranks(scores, labels)
    loss = mean_nll(scores, labels) * len(labels) if len(labels) else 0.0
    right = np.zeros(len(job.dataset.splits["val"]), np.bool_)
    right[job.group.rank.number :: job.group.rank.size] = ranks == 0
    hits = int((ranks < TOP_K).sum())
    loss, hits5, images, *shared = job.group.all_reduce([loss, hits, len(labels), *right])
    right = np.array(shared, np.bool_)
    top5 = hits5 / images if classes > TOP_K else None
    return Validation(loss / images, float(right.mean()), top5, right, scores, labels)
