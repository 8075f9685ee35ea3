"""Notice that training makes a network worse than it was at the start, and go back.

One figure is noise: the same validation images were classified by both, so McNemar's pairs tell.
While the learning rate is high, a fall is expected: what it unsettles, the second half of the
schedule settles again, mostly better than it was. So only that half is judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsctl.console.messages import note
from clsctl.evaluation.metrics import Interval, compare_balanced, compare_paired
from clsctl.networks.pdparams import read_pdparams
from clsctl.training.job import TrainJob
from clsctl.training.run_dir import checkpoint
from clsctl.training.run_dir.checkpoint import BEST, LATEST, TrainProgress
from clsctl.training.validation import val_labels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BACK_AT = 1 / 3
"""The share of the learning rate at which training goes on from the start."""

MOST_SETBACKS = 2
"""The run ends with so many."""


class WentBack(Exception):
    """The state of training is that of the latest checkpoint."""


def compare_with_start(
    job: TrainJob, progress: TrainProgress, right: NDArray[np.bool_]
) -> tuple[float, Interval] | None:
    """Compare an epoch with the start on each validation image, by what makes an epoch the best.

    Args:
        right: Which images are classified correctly now, bool [N].

    Returns:
        What was gained, -1 to 1, and its 95 % interval; None where there was no start.
    """
    import numpy as np

    before = np.array([mark == "1" for mark in progress.start_right], np.bool_)
    if len(before) != len(right):
        return None
    if job.config.best_by == "balanced_loss":
        return compare_balanced(before, right, val_labels(job))
    found = compare_paired(before, right)
    return found.difference, found.interval


def marks(right: NDArray[np.bool_]) -> str:
    """Write down which images were classified correctly, as checkpoints keep it."""
    return "".join("1" if hit else "0" for hit in right)


def check_setback(job: TrainJob, progress: TrainProgress, right: NDArray[np.bool_]) -> None:
    """Count and tell an epoch of the second half that is surely worse than the start.

    Raises:
        WentBack: Training is to continue from `latest`, which holds the best weights now, at a
            lower rate.
    """
    early = 2 * progress.epoch < job.config.epochs
    found = compare_with_start(job, progress, right)
    if job.config.on_setback == "continue" or early or found is None or found[1][1] >= 0:
        return
    progress.setbacks += 1
    if job.group.is_rank_zero:
        note(_explain(job, progress, *found))
    if not has_given_up(job, progress):
        progress.rate_factor *= BACK_AT
        progress.ema_steps = 0
        job.group.on_rank_zero(lambda: _restore_best(job, progress))
        raise WentBack


def _restore_best(job: TrainJob, progress: TrainProgress) -> None:
    """Without the optimizer's state, which is about weights that are given up."""
    weights = read_pdparams(job.run_dir / BEST / f"{BEST}.pdparams")
    checkpoint.write(job.run_dir, LATEST, {"pdparams": weights}, progress)


def has_given_up(job: TrainJob, progress: TrainProgress) -> bool:
    """Whether training will not improve on the start."""
    most = {"continue": 0, "stop": 1, "back": MOST_SETBACKS}[job.config.on_setback]
    return bool(most) and progress.setbacks >= most


def _explain(job: TrainJob, progress: TrainProgress, gain: float, interval: Interval) -> str:
    low, high = (100 * limit for limit in interval)
    fact = (
        f"epoch {progress.epoch} is worse than the start by {-100 * gain:.1f} points "
        f"(95 % {-high:.1f} to {-low:.1f})"
    )
    if has_given_up(job, progress):
        return f"{fact}; training will not improve on it, and stops"
    return f"{fact}; going back to the best weights, at {BACK_AT:.2g} of the rate"
