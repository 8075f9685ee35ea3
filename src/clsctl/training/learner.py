"""The network and all that goes with it while it learns: opened from a checkpoint, and saved."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.checkpoints import load_weights
from clsctl.disk import require_space
from clsctl.errors import ClsctlError
from clsctl.exporting import export_network
from clsctl.notes import note
from clsctl.parameters import freeze_until
from clsctl.preprocess import describe
from clsctl.training import checkpoint
from clsctl.training.checkpoint import BEST, LATEST, Position
from clsctl.training.ema import Ema
from clsctl.training.optim import build_optimizer
from clsctl.training.setup import Job, build_network

if TYPE_CHECKING:
    from paddle.optimizer import Optimizer

    from clsctl.network import Network

LOWEST_FACTOR = 1 / 64
"""Rolling back stops below this share of the learning rate."""


class TrainingFailed(ClsctlError):
    """Training cannot go on with this configuration."""

    exit_status = 3
    default_code = "E_LOSS_NAN"


@dataclass
class Learner:
    """What changes while training."""

    network: Network
    optimizer: Optimizer
    ema: Ema | None
    position: Position
    saved_at: float

    def tensors(self) -> dict[str, Mapping[str, Any]]:
        """What a checkpoint holds, by suffix."""
        average = {"pdema": self.ema.average} if self.ema else {}
        weights = {"pdparams": self.network.state_dict(), "pdopt": self.optimizer.state_dict()}
        return weights | average


def open_learner(job: Job) -> Learner:
    """The learner as the latest checkpoint has it, or a new one, of which a checkpoint is made."""
    import paddle

    config = job.config
    saved = checkpoint.read(job.run)
    network = build_network(job if saved is None else _without_weights(job))
    if config.freeze_until:
        freeze_until(network, config.freeze_until)
    optimizer = build_optimizer(network, config.optimizer)
    if saved is None:
        ema = Ema(network, config.ema) if config.ema else None
        learner = Learner(network, optimizer, ema, Position(), 0.0)
        save_latest(job, learner)
        return learner
    load_weights(network, saved.weights, f"'{job.run / LATEST}'")
    optimizer.set_state_dict({name: paddle.to_tensor(a) for name, a in saved.optimizer.items()})
    average = {name: paddle.to_tensor(array) for name, array in (saved.average or {}).items()}
    steps = saved.position.ema_steps
    ema = Ema(network, config.ema, steps, average or None) if config.ema else None
    return Learner(network, optimizer, ema, saved.position, time.monotonic())


def _without_weights(job: Job) -> Job:
    """All weights come from a checkpoint, so none are fetched."""
    return replace(job, config=replace(job.config, pretrained=False, weights=""))


def save_latest(job: Job, learner: Learner) -> None:
    checkpoint.write(job.run, LATEST, learner.tensors(), learner.position)
    learner.saved_at = time.monotonic()


def save_best(job: Job, learner: Learner) -> None:
    """The weights that were measured, and their model directory; averaged ones where there are."""
    position = learner.position

    def add(folder: Path) -> None:
        facts = {"metric": position.best, "epoch": position.best_epoch}
        (folder / f"{BEST}.info.json").write_text(json.dumps(facts), encoding="utf-8")
        # Paddle's own writer does not notice a full disk.
        require_space(folder, 2 * checkpoint.bytes_of(learner.tensors()))
        model = folder / "inference"
        model.mkdir()
        transforms = describe(job.preprocessing)
        size = job.preprocessing.crop
        export_network(learner.network, model, job.config.model, transforms, job.labels, size)

    checkpoint.write(job.run, BEST, learner.tensors(), position, add)


def roll_back(job: Job) -> None:
    """Let the latest checkpoint go on at half the rate, or give up.

    Raises:
        TrainingFailed: That is not wished, or was done too often.
    """
    saved = checkpoint.read(job.run)
    if job.config.on_nan == "stop" or saved is None or saved.position.rate_factor <= LOWEST_FACTOR:
        raise TrainingFailed(
            "the loss is no longer a number; the latest checkpoint is from before that",
            hint="lower the rate with --lr, limit gradients with --set optimizer.clip_norm=1, or "
            "let clsctl go back and halve the rate with --set on_nan=rollback",
        )
    position = replace(saved.position, rate_factor=saved.position.rate_factor / 2)
    note(f"the loss was no number; going back, at {position.rate_factor:g} of the rate")
    tensors = {"pdparams": saved.weights, "pdopt": saved.optimizer}
    average = {"pdema": saved.average} if saved.average else {}
    checkpoint.write(job.run, LATEST, tensors | average, position)
