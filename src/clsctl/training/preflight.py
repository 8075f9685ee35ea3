"""Say before the first step how much there is to do, and whether it fits."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from clsctl.errors import ModelError
from clsctl.inference.devices import get_device
from clsctl.networks.build import build_lazy
from clsctl.paths import is_file
from clsctl.plugin.registry import default_registry
from clsctl.training.images.kept import room, room_to_train, shrinking
from clsctl.training.job import TrainJob
from clsctl.training.long_tail import advice
from clsctl.training.memory_estimate import MemoryEstimate, estimate_memory
from clsctl.training.run_dir.checkpoint import LATEST, TrainProgress, read_progress
from clsctl.training.start.fit import MOST_IMAGES

PHOTO = 4 / 3
"""The long side of most photos, relative to the short one."""


def preflight(job: TrainJob) -> Iterator[str]:
    """Say what the run will do and take, line by line.

    Raises:
        ModelError: The disk cannot hold its checkpoints (`E_DISK_FULL`).
    """
    config, size = job.config, job.group.rank.size
    place = f"{size} processes, here on {job.device}" if size > 1 else str(job.device)
    yield (
        f"{config.model} on {place}: {len(job.train.samples)} images of {len(job.labels)} classes "
        f"to train with, {len(job.dataset.splits['val'])} to validate with"
    )
    if (hint := advice(job)) is not None:
        yield hint
    yield from _engine(job)
    yield _work(job, read_progress(job.run_dir, LATEST))
    taken = estimate_memory(config, len(job.labels), job.preprocessing.input_size)
    yield _memory(job, taken)
    yield _images(job)
    yield _disk(job, taken)


def _engine(job: TrainJob) -> Iterator[str]:
    """What computes, where that is not stock Paddle alone."""
    if job.accelerate:
        from clsctl.onednn.switch import left_to_paddle

        build = default_registry().get("architectures", job.config.model).build
        left = ", ".join(left_to_paddle(build_lazy(build)))
        yield "oneDNN computes" + (f", save for {left}, which stock Paddle does" if left else "")


def _work(job: TrainJob, progress: TrainProgress | None) -> str:
    steps = job.steps_per_epoch
    text = f"steps: {steps} an epoch, {steps * job.config.epochs} in all"
    if progress is None:
        return text
    done = progress.epoch * steps + progress.step
    return f"{text}, of which {done} are done"


def _memory(job: TrainJob, taken: MemoryEstimate) -> str:
    """How much the run takes of the device's memory, as far as that is known."""
    needed = taken.memory(min(job.config.batch_size, len(job.train.samples)))
    text = f"memory: {_size(needed)} at most"
    memory = get_device(job.device).memory
    if memory is None:
        return text
    free = memory().free
    doubt = "; should it not suffice, try -b auto" if needed > free else ""
    return f"{text}, of {_size(free)} free{doubt}"


def _images(job: TrainJob) -> str:
    """How much memory decoded images take; see `clsctl.training.images.kept`."""
    rank, images = job.group.rank, len(job.train.samples)
    height, width = job.preprocessing.input_size
    most = room(rank) // (3 * height * width)
    kept = min(len(job.val.samples), most)
    if job.starts_fitted:
        kept += min(images, MOST_IMAGES, most)
    taken = kept * 3 * height * width
    if job.config.data.cache != "ram":
        return f"images: about {_size(taken)} for decoded ones"
    side = shrinking(job.preprocessing).side
    taken += min(images * side * round(PHOTO * side) * 3, room_to_train(rank))
    return (
        f"images: about {_size(taken)} for decoded ones; "
        f"those to train with are kept with a short side of {side} pixels"
    )


def _disk(job: TrainJob, taken: MemoryEstimate) -> str:
    """The checkpoints that are there at one time, of which one is being replaced."""
    options = job.config.checkpoint
    kept = options.save_every and min(options.keep, job.config.epochs // options.save_every)
    needed = (kept + 3) * taken.checkpoint + 2 * taken.model
    there = sum(path.stat().st_size for path in job.run_dir.rglob("*") if is_file(path))
    free = shutil.disk_usage(job.run_dir).free
    if needed > there + free:
        raise ModelError(
            f"the checkpoints of this run take up to {_size(needed)}, but the disk of "
            f"{job.run_dir} has {_size(free)} free",
            code="E_DISK_FULL",
            hint="make room, choose another -o, or keep fewer with --set checkpoint.keep=1",
        )
    return f"disk: {_size(needed)} at most for checkpoints, of {_size(there + free)} free"


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(count / 1e6, 1):.0f} MB"
