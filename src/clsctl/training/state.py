"""The state of training: open it from a checkpoint, save it, roll it back."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.console.messages import note
from clsctl.errors import ClsctlError, ModelError
from clsctl.exporting.network import graph_writer
from clsctl.exporting.parity_check import check_graph
from clsctl.images.preprocess import transform_ops
from clsctl.models.directory import read_model_dir, write_settings
from clsctl.models.integrity import require_written
from clsctl.networks.param_groups import freeze_until
from clsctl.networks.pdparams import load_weights
from clsctl.system.files import require_space
from clsctl.training.build import build_network
from clsctl.training.calibrated import calibrated, calibration_of, describe
from clsctl.training.job import TrainJob
from clsctl.training.optimization.amp import open_scaler
from clsctl.training.optimization.ema import Ema
from clsctl.training.optimization.optimizer import build_optimizer
from clsctl.training.run_dir import checkpoint
from clsctl.training.run_dir.checkpoint import BEST, LATEST, TrainProgress
from clsctl.training.validation import Validation

if TYPE_CHECKING:
    from paddle.amp import GradScaler
    from paddle.optimizer import Optimizer

    from clsctl.evaluation.calibration import Calibration
    from clsctl.networks.base import Network

LOWEST_FACTOR = 1 / 64
"""Rolling back stops below this share of the learning rate."""


class TrainingFailed(ClsctlError):
    """Training cannot continue with this configuration."""

    exit_status = 3
    default_code = "E_LOSS_NAN"


@dataclass
class TrainState:
    """What changes while training.

    Attributes:
        saved_at: When the latest checkpoint was written, by `time.monotonic()`.
        closing: Seconds that evaluating and saving took after the last epoch.
        write_graph: Writes the network's graph into a folder; None until that is first done.
    """

    network: Network
    optimizer: Optimizer
    ema: Ema | None
    progress: TrainProgress
    saved_at: float
    scaler: GradScaler
    closing: float = 0.0
    write_graph: Callable[[Path], None] | None = None

    def tensors(self) -> dict[str, Mapping[str, Any]]:
        """Return what a checkpoint holds, by suffix."""
        average = {"pdema": self.ema.average} if self.ema else {}
        weights = {"pdparams": self.network.state_dict(), "pdopt": self.optimizer.state_dict()}
        return weights | average


def open_state(job: TrainJob) -> TrainState:
    """Open the state of the latest checkpoint, or a new one, of which a checkpoint is made.

    Processes that train together have the same one, rank 0's.
    """
    import paddle

    config = job.config
    saved = job.group.broadcast(lambda: checkpoint.read(job.run_dir))
    if saved is None:
        state = new_state(job)
        save_latest(job, state)
        return state
    network, optimizer = _assemble(_without_weights(job))
    load_weights(network, saved.weights, f"'{job.run_dir / LATEST}'")
    optimizer.set_state_dict({name: paddle.to_tensor(a) for name, a in saved.optimizer.items()})
    average = {name: paddle.to_tensor(array) for name, array in (saved.average or {}).items()}
    steps = saved.progress.ema_steps
    ema = Ema(network, config.ema, steps, average or None) if config.ema else None
    scaler = open_scaler(config.amp, saved.progress.loss_scale)
    return TrainState(network, optimizer, ema, saved.progress, time.monotonic(), scaler)


def new_state(job: TrainJob) -> TrainState:
    """Make the state of a run's beginning; of processes that train together, rank 0's."""
    with job.group.keep_alive():
        network, optimizer = _assemble(job)
    job.group.broadcast_weights(network)
    ema = Ema(network, job.config.ema) if job.config.ema else None
    return TrainState(
        network, optimizer, ema, TrainProgress(), 0.0, open_scaler(job.config.amp, {})
    )


def _assemble(job: TrainJob) -> tuple[Network, Optimizer]:
    network = build_network(job)
    if job.config.freeze_until:
        freeze_until(network, job.config.freeze_until)
    return network, build_optimizer(network, job.config.optimizer)


def _without_weights(job: TrainJob) -> TrainJob:
    """All weights come from a checkpoint, so none are fetched."""
    return replace(job, config=replace(job.config, pretrained=False, weights=""))


def save_latest(job: TrainJob, state: TrainState) -> None:
    """Write the checkpoint to resume from; of processes that train together, rank 0 alone does."""
    tensors, progress = state.tensors(), state.progress
    if job.config.time_limit:
        progress.seconds = 60 * job.config.time_limit - (job.deadline - time.monotonic())
    job.group.on_rank_zero(lambda: checkpoint.write(job.run_dir, LATEST, tensors, progress))
    state.saved_at = time.monotonic()


def save_best(job: TrainJob, state: TrainState, found: Validation) -> None:
    """Save the weights that were measured, averaged ones where there are, and export them.

    Args:
        job: Says whether they are calibrated.
        state: Holds them, and is what it was afterwards.
        found: How they were measured.
    """
    job.group.on_rank_zero(lambda: _save_best(job, state, calibration_of(job, found)))


def _save_best(job: TrainJob, state: TrainState, calibration: Calibration | None) -> None:
    progress = state.progress

    def add(folder: Path) -> None:
        facts: dict[str, Any] = {"metric": progress.best, "epoch": progress.best_epoch}
        if calibration is not None:
            facts["calibration"] = asdict(calibration) | {"summary": describe(calibration)}
        (folder / f"{BEST}.info.json").write_text(json.dumps(facts), encoding="utf-8")
        # Paddle's own writer does not notice a full disk.
        require_space(folder, 2 * checkpoint.bytes_of(state.tensors()))
        _export(job, state, folder / "inference")

    with calibrated(state.network, calibration):
        checkpoint.write(job.run_dir, BEST, state.tensors(), progress, add)


def _export(job: TrainJob, state: TrainState, folder: Path) -> None:
    """Write a model directory, which is not kept where it gives other scores than the network."""
    transforms = transform_ops(job.preprocessing)
    if state.write_graph is None:
        state.write_graph = graph_writer(state.network, job.preprocessing.input_size)
    folder.mkdir()
    state.write_graph(folder)
    write_settings(folder, job.config.model, transforms, job.labels)
    require_written(read_model_dir(folder))
    try:
        check_graph(state.network, folder, transforms)
    except ModelError as error:
        shutil.rmtree(folder)
        note(f"{error.message}; the weights are kept")


def roll_back(job: TrainJob) -> None:
    """Let training resume from the latest checkpoint at half the rate, or give up.

    Raises:
        TrainingFailed: That is not requested, or was done too often.
    """
    saved = job.group.broadcast(lambda: checkpoint.read(job.run_dir))
    if job.config.on_nan == "stop" or saved is None or saved.progress.rate_factor <= LOWEST_FACTOR:
        raise TrainingFailed(
            "the loss is no longer a number; the latest checkpoint is from before that",
            hint="lower the rate with --lr, limit gradients with --set optimizer.clip_norm=1, or "
            "let clsctl go back and halve the rate with --set on_nan=rollback",
        )
    progress = replace(saved.progress, rate_factor=saved.progress.rate_factor / 2)
    note(f"the loss was no number; going back, at {progress.rate_factor:g} of the rate")
    tensors = {"pdparams": saved.weights, "pdopt": saved.optimizer}
    average = {"pdema": saved.average} if saved.average else {}
    job.group.on_rank_zero(
        lambda: checkpoint.write(job.run_dir, LATEST, tensors | average, progress)
    )
