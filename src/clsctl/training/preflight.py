"""What is said before the first step: how much there is to do, and whether it fits."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

from clsctl.errors import ModelError
from clsctl.inference.devices import get_device
from clsctl.networks.build import outline
from clsctl.plugin.registry import default_registry
from clsctl.training.callbacks import EpochInfo, StepInfo
from clsctl.training.checkpoint import LATEST, Position, read_position
from clsctl.training.display import duration
from clsctl.training.job import TrainJob
from clsctl.training.memory_estimate import Footprint, footprint

MEASURED_STEPS = 10
"""The expected time is measured on so many steps, or on an epoch that has fewer."""

FORWARD_SHARE = 1 / 3
"""Of a training step's time, what evaluating as many images takes."""


def preflight(job: TrainJob) -> Iterator[str]:
    """What the run will do and take, line by line.

    Raises:
        ModelError: The disk cannot hold its checkpoints (`E_DISK_FULL`).
    """
    config, size = job.config, job.team.rank.size
    place = f"{size} processes, here on {job.device}" if size > 1 else str(job.device)
    yield (
        f"{config.model} on {place}: {len(job.train.samples)} images of {len(job.labels)} classes "
        f"to train with, {len(job.dataset.splits['val'])} to validate with"
    )
    yield from _engine(job)
    yield _work(job, read_position(job.run, LATEST))
    taken = footprint(config, len(job.labels), job.preprocessing.crop)
    yield _memory(job, taken)
    yield _disk(job, taken)


def _engine(job: TrainJob) -> Iterator[str]:
    """What computes, where that is not stock Paddle alone."""
    from clsctl.training.onednn.switch import accelerated, left_to_paddle

    if job.accelerate is accelerated:
        build = default_registry().get("architectures", job.config.model).build
        left = ", ".join(left_to_paddle(outline(build)))
        yield "oneDNN computes" + (f", save for {left}, which stock Paddle does" if left else "")


def _work(job: TrainJob, position: Position | None) -> str:
    steps = job.steps_per_epoch
    text = f"steps: {steps} an epoch, {steps * job.config.epochs} in all"
    if position is None:
        return text
    done = position.epoch * steps + position.step
    return f"{text}, of which {done} are done"


def _memory(job: TrainJob, taken: Footprint) -> str:
    """How much the run takes of the device's memory, as far as that is known."""
    needed = taken.memory(min(job.config.batch_size, len(job.train.samples)))
    text = f"memory: {_size(needed)} at most"
    memory = get_device(job.device).memory
    if memory is None:
        return text
    free = memory().free
    doubt = "; should it not suffice, try -b auto" if needed > free else ""
    return f"{text}, of {_size(free)} free{doubt}"


def _disk(job: TrainJob, taken: Footprint) -> str:
    """The checkpoints that are there at one time, of which one is being replaced."""
    options = job.config.checkpoint
    kept = options.save_every and min(options.keep, job.config.epochs // options.save_every)
    needed = (kept + 3) * taken.checkpoint + 2 * taken.model
    there = sum(path.stat().st_size for path in job.run.rglob("*") if path.is_file())
    free = shutil.disk_usage(job.run).free
    if needed > there + free:
        raise ModelError(
            f"the checkpoints of this run take up to {_size(needed)}, but the disk of {job.run} "
            f"has {_size(free)} free",
            code="E_DISK_FULL",
            hint="make room, choose another -o, or keep fewer with --set checkpoint.keep=1",
        )
    return f"disk: {_size(needed)} at most for checkpoints, of {_size(there + free)} free"


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


# ---- the expected time -------------------------------------------------------------------------


class Forecast:
    """A display that says once, after a few steps, how long the rest will take.

    Args:
        job: The run.
        say: Is given the sentence.
    """

    def __init__(self, job: TrainJob, say: Callable[[str], object]) -> None:
        self._job, self._say = job, say
        self._steps = self._batches = 0

    def epoch_started(self, epoch: int, batches: int) -> None:
        self._batches = batches

    def step(self, info: StepInfo) -> None:
        self._steps += 1
        if self._steps == MEASURED_STEPS or (
            self._steps < MEASURED_STEPS and info.batch == self._batches
        ):
            self._steps = MEASURED_STEPS
            self._say(
                f"expected time: {duration(self._left(info))}, {info.images_per_s:.1f} images/s"
            )

    def epoch_ended(self, info: EpochInfo) -> None:
        pass

    def close(self) -> None:
        pass

    def _left(self, info: StepInfo) -> float:
        """Seconds for the steps that are left, and for evaluating after each epoch."""
        evaluations = self._job.config.epochs - info.epoch + 1
        images = evaluations * len(self._job.val.samples)
        return info.eta_s + FORWARD_SHARE * images / info.images_per_s
