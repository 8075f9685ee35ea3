"""`--accelerate auto|on|off` -> what training runs its networks on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Literal

from clsctl.console.messages import note
from clsctl.errors import DeviceError
from clsctl.inference.devices import get_device, use_in_paddle
from clsctl.values import DeviceId

if TYPE_CHECKING:
    from paddle import nn

Switch = Callable[["nn.Layer"], AbstractContextManager[None]]


def choose(wish: Literal["auto", "on", "off"], device: DeviceId, threads: int) -> Switch:
    """What networks are to run in: oneDNN where it is wished and gives what stock Paddle gives.

    Args:
        wish: `auto` says why and goes on without where it is not possible.
        device: Where training runs.
        threads: How many oneDNN may use.

    Raises:
        DeviceError: It is wished and not possible (`E_ACCELERATE`).
    """
    if wish == "off" or (wish == "auto" and get_device(device).accelerator):
        return stock
    obstacle = _obstacle(device, threads)
    if obstacle is None:
        from clsctl.training.onednn.switch import accelerated

        return accelerated
    if wish == "on":
        raise DeviceError(
            f"training cannot be accelerated: {obstacle}",
            code="E_ACCELERATE",
            hint="leave out --accelerate; stock Paddle trains then",
        )
    note(f"stock Paddle trains, several times slower than with oneDNN: {obstacle}")
    return stock


def stock(network: nn.Layer) -> AbstractContextManager[None]:
    """Let a network run on stock Paddle."""
    return nullcontext()


def _obstacle(device: DeviceId, threads: int) -> str | None:
    if get_device(device).accelerator:
        return f"oneDNN is for processors, not for {device}"
    from clsctl.training.onednn.onednn import OneDnnError, use_threads
    from clsctl.training.onednn.selftest import differing_layer

    use_in_paddle(device)
    try:
        use_threads(threads)
        differing = differing_layer()
    except OneDnnError as error:
        return str(error)
    return f"oneDNN's {differing} differs from Paddle's on this machine" if differing else None
