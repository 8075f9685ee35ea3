"""`-b auto`: the largest batch that fits, the same on every run on a machine."""

from __future__ import annotations

from clsctl.console.messages import note
from clsctl.inference.devices import get_device, paddle_on
from clsctl.training.config.train_config import TrainConfig
from clsctl.training.memory_estimate import estimate_memory
from clsctl.values import DeviceId

LARGEST = 256
"""More images in a batch make no device faster, and cost accuracy on small datasets."""

STEPS_AN_EPOCH = 10
"""A batch leaves an epoch at least so many steps, where the dataset allows it."""

SHARE_OF_MEMORY = 0.5


def fitting_batch(
    config: TrainConfig, images: int, num_classes: int, size: tuple[int, int], device: DeviceId
) -> int:
    """Choose the largest power of two up to `LARGEST` that fits the memory and the dataset.

    Where the device's memory is known it is estimated, to take at most half of that; others are
    tried.

    Args:
        images: How many there are to train with.
        size: Height and width of the network's input, in pixels.
    """
    most = _power_of_two(min(LARGEST, images // STEPS_AN_EPOCH))
    memory = get_device(device).memory
    if memory is not None:
        taken = estimate_memory(config, num_classes, size)
        room = int(SHARE_OF_MEMORY * memory().total) - taken.fixed
        batch = _power_of_two(min(most, room // taken.image))
    else:
        batch = _largest_that_runs(config, most, num_classes, size, device)
    note(f"batch {batch}: {_reason(batch, most, images, device)}")
    return batch


def _reason(batch: int, most: int, images: int, device: DeviceId) -> str:
    if batch < most:
        return f"the largest power of two that fits the memory of {device}"
    if most < LARGEST:
        return f"a larger one leaves too few steps in an epoch of {images} images"
    return "a larger one makes no device faster"


def _power_of_two(number: int) -> int:
    """The largest one that is not above the number, and at least 2 for batch normalisation."""
    return 1 << max(number.bit_length() - 1, 1)


def _largest_that_runs(
    config: TrainConfig, most: int, num_classes: int, size: tuple[int, int], device: DeviceId
) -> int:
    """Halve a batch until a step with it no longer runs out of memory."""
    import paddle

    from clsctl.networks.build import build
    from clsctl.training.optimization.optimizer import build_optimizer

    batch = most
    with paddle_on(device):
        network = build(config.model, num_classes, seed=config.seed)
        optimizer = build_optimizer(network, config.optimizer)  # type: ignore[arg-type]
        while batch > 2:
            try:
                network(paddle.zeros([batch, 3, *size])).sum().backward()
                optimizer.step()
                break
            except MemoryError:
                optimizer.clear_grad()
                batch //= 2
    return batch
