"""Choose what trainable networks are run with: oneDNN or stock Paddle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from clsctl.console.messages import note
from clsctl.errors import DeviceError
from clsctl.inference.devices import get_device, paddle_on
from clsctl.values import DeviceId

if TYPE_CHECKING:
    from paddle import nn


@dataclass(frozen=True, slots=True)
class Acceleration:
    """What networks are run in: `with accelerate(network): ...`; it is true for oneDNN.

    Attributes:
        threads: How many oneDNN may use; 0 leaves networks to stock Paddle.
    """

    threads: int = 0

    def __bool__(self) -> bool:
        return self.threads > 0

    def __call__(self, network: nn.Layer) -> AbstractContextManager[None]:
        """Let a network compute in this way; its gradients may be taken later, too."""
        if not self:
            return nullcontext()
        from clsctl.onednn.switch import accelerated

        return accelerated(network)

    def on_its_threads(self) -> AbstractContextManager[None]:
        """Give oneDNN its threads for a while; it has one without."""
        if not self:
            return nullcontext()
        from clsctl.onednn.onednn import on_threads

        return on_threads(self.threads)


NO_ACCELERATION = Acceleration()


def choose_acceleration(
    mode: Literal["auto", "on", "off"], device: DeviceId, threads: int
) -> Acceleration:
    """Choose oneDNN where it is requested and gives what stock Paddle gives.

    Args:
        mode: `auto` says why and continues without it where it is not possible.
        device: Where the networks run.
        threads: How many oneDNN may use.

    Raises:
        DeviceError: It is requested and not possible (`E_ACCELERATE`).
    """
    if mode == "off" or (mode == "auto" and get_device(device).accelerator):
        return NO_ACCELERATION
    obstacle = _obstacle(device, threads)
    if obstacle is None:
        return Acceleration(threads)
    if mode == "on":
        raise DeviceError(
            f"training cannot be accelerated: {obstacle}",
            code="E_ACCELERATE",
            hint="leave out --accelerate; stock Paddle trains then",
        )
    note(f"stock Paddle trains, several times slower than with oneDNN: {obstacle}")
    return NO_ACCELERATION


@contextmanager
def evaluating(network: nn.Layer, device: DeviceId, threads: int) -> Iterator[None]:
    """Let a network compute for a while, without gradients, as fast as is possible on a device.

    Args:
        network: In evaluation mode.
        threads: How many a processor may use.
    """
    import paddle

    accelerate = NO_ACCELERATION if _obstacle(device, threads) else Acceleration(threads)
    with paddle_on(device), accelerate.on_its_threads(), accelerate(network), paddle.no_grad():
        yield


def _obstacle(device: DeviceId, threads: int) -> str | None:
    if get_device(device).accelerator:
        return f"oneDNN is for processors, not for {device}"
    from clsctl.onednn.onednn import OneDnnError, on_threads
    from clsctl.onednn.selftest import differing_layer

    try:
        with paddle_on(device), on_threads(threads):
            differing = differing_layer()
    except OneDnnError as error:
        return str(error)
    return f"oneDNN's {differing} differs from Paddle's on this machine" if differing else None
