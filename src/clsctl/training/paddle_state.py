"""What a run changes of Paddle's global state, and gives back."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from clsctl.inference.devices import paddle_on
from clsctl.training.job import TrainJob


@contextmanager
def paddle_for(job: TrainJob) -> Iterator[None]:
    """Let Paddle compute as a job needs it, and leave it as the caller had it.

    Changed meanwhile are its device, its random numbers, oneDNN's threads, the numbers in the names
    of layers, and a warning that says nothing of use.
    """
    import paddle

    random_state = paddle.get_rng_state()
    try:
        with (
            paddle_on(job.device),
            job.accelerate.on_its_threads(),
            paddle.utils.unique_name.guard(),
            warnings.catch_warnings(),
        ):
            warnings.filterwarnings("ignore", message="When training, we now always track global")
            yield
    finally:
        paddle.set_rng_state(random_state)
