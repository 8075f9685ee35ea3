"""Measure a network on the validation images, shared between the processes that train together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clsctl.evaluation.calibration import Calibration, fit_temperature, nll
from clsctl.evaluation.metrics import balanced_mean, expected_calibration_error, label_ranks
from clsctl.evaluation.scoring import score_batches, score_function
from clsctl.inference.temperature import apply_temperature
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
        top1: Share of the images whose class came first, 0 to 1.
        top5: Share of them whose class was among the first five; None with five classes or fewer.
        balanced_accuracy: The mean recall of the classes; None where these do not count alike.
        balanced_loss: The mean of their losses in nats, likewise.
        right: For each image whether its class came first, bool [N].
        calibration: The loss and the calibration error, and what a temperature makes of them. By
            the loss afterwards epochs are compared: what calibration repairs does not count, and
            few images tell more by it than by a share of right ones (Berta et al. 2025,
            arXiv:2501.19195).
    """

    top1: float
    top5: float | None
    balanced_accuracy: float | None
    balanced_loss: float | None
    right: NDArray[np.bool_]
    calibration: Calibration

    def figures(self) -> dict[str, float]:
        """Return what a run's history keeps."""
        names = ("top1", "top5", "balanced_accuracy", "balanced_loss")
        found = {name: getattr(self, name) for name in names}
        known = {name: figure for name, figure in found.items() if figure is not None}
        loss, calibrated_loss = self.calibration.nll
        return {"val_loss": loss, "calibrated_loss": calibrated_loss, **known}


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
    temperature = fit_temperature(scores, labels, job.group.all_reduce)
    after = apply_temperature(scores, temperature)
    ranks, losses, losses_after, sure, sure_after = _of_all(
        job,
        label_ranks(scores, labels),
        *(nll(part, labels) for part in (scores, after)),
        *(part.max(axis=1) for part in (scores, after)),
    )
    right, of_classes = ranks == 0, val_labels(job)
    alike = job.config.best_by == "balanced_loss"
    return Validation(
        top1=float(right.mean()),
        top5=float((ranks < TOP_K).mean()) if classes > TOP_K else None,
        balanced_accuracy=balanced_mean(right, of_classes) if alike else None,
        balanced_loss=balanced_mean(losses, of_classes) if alike else None,
        right=right,
        calibration=Calibration(
            temperature,
            len(right),
            (float(losses.mean()), float(losses_after.mean())),
            (
                expected_calibration_error(sure, right),
                expected_calibration_error(sure_after, right),
            ),
        ),
    )


def _of_all(job: TrainJob, *figures: NDArray[Any]) -> NDArray[np.float64]:
    """Put the figures of each process's images, [n] each, into those of all, [figures, N]."""
    import numpy as np

    rank, images = job.group.rank, len(job.dataset.splits["val"])
    found = np.zeros((len(figures), images))
    found[:, rank.number :: rank.size] = figures
    return np.array(job.group.all_reduce(found.ravel().tolist())).reshape(found.shape)


def val_labels(job: TrainJob) -> NDArray[np.int64]:
    """Return the class of each validation image, int64 [N]."""
    import numpy as np

    return np.array([sample.label for sample in job.dataset.splits["val"]], np.int64)
