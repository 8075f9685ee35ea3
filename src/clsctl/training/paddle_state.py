"""What a run changes of Paddle's global state, and gives back."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from clsctl.inference.devices import get_device, paddle_on
from clsctl.training.job import TrainJob
from clsctl.values import DeviceId

STRIDES = "FLAGS_use_stride_kernel"


@contextmanager
def paddle_for(job: TrainJob) -> Iterator[None]:
    """Let Paddle compute as a job needs it, and leave it as the caller had it.

    Changed meanwhile are its device, its random numbers, oneDNN's threads, how it transposes, the
    numbers in the names of layers, and a warning that says nothing of use.
    """
    import paddle

    random_state = paddle.get_rng_state()
    try:
        with (
            paddle_on(job.device),
            job.accelerate.on_its_threads(),
            transposing_at_once(job.device),
            paddle.utils.unique_name.guard(),
            warnings.catch_warnings(),
        ):
            warnings.filterwarnings("ignore", message="When training, we now always track global")
            yield
    finally:
        paddle.set_rng_state(random_state)


@contextmanager
def transposing_at_once(device: DeviceId) -> Iterator[None]:
    """On a processor, transpose in memory where Paddle would make a view.

    A view is copied number by number by the first operation that needs its numbers side by side,
    which took a fifth of a training step of Swin Transformer.
    """
    import paddle

    if get_device(device).accelerator:
        yield
        return
    before = paddle.get_flags(STRIDES)
    paddle.set_flags({STRIDES: False})
    try:
        yield
    finally:
        paddle.set_flags(before)
