"""Notice that training makes a network worse than it was at the start, and go back.

One figure is noise: the same validation images were classified by both, so McNemar's pairs tell.
While the learning rate is high, a fall is expected: what it unsettles, the second half of the
schedule settles again, mostly better than it was. So only that half is judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clsctl.console.messages import note
from clsctl.evaluation.metrics import Comparison, compare_paired
from clsctl.networks.pdparams import read_pdparams
from clsctl.training.job import TrainJob
from clsctl.training.run_dir import checkpoint
from clsctl.training.run_dir.checkpoint import BEST, LATEST, TrainProgress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BACK_AT = 1 / 3
"""The share of the learning rate at which training goes on from the start."""

MOST_SETBACKS = 2
"""The run ends with so many."""


class WentBack(Exception):
    """The state of training is that of the latest checkpoint."""


def compare_with_start(progress: TrainProgress, right: NDArray[np.bool_]) -> Comparison | None:
    """Compare an epoch with the start on each validation image; None where there was no start.

    Args:
        right: Which images are classified correctly now, bool [N].
    """
    import numpy as np

    before = np.array([mark == "1" for mark in progress.start_right], np.bool_)
    return compare_paired(before, right) if len(before) == len(right) else None


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
    found = compare_with_start(progress, right)
    if job.config.on_setback == "continue" or early or found is None or found.interval[1] >= 0:
        return
    progress.setbacks += 1
    if job.group.is_rank_zero:
        note(_explain(job, progress, found))
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


def _explain(job: TrainJob, progress: TrainProgress, found: Comparison) -> str:
    low, high = (100 * limit for limit in found.interval)
    fact = (
        f"epoch {progress.epoch} is worse than the start by {-100 * found.difference:.1f} points "
        f"(95 % {-high:.1f} to {-low:.1f}, p {found.p_value:.2g})"
    )
    if has_given_up(job, progress):
        return f"{fact}; training will not improve on it, and stops"
    return f"{fact}; going back to the best weights, at {BACK_AT:.2g} of the rate"
