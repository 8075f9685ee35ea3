"""Let processes that train together communicate, by Paddle's collectives.

NCCL carries it between GPUs, gloo between CPUs. A process on its own is a group of one, for which
everything here does nothing and imports nothing.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from threading import Event
from types import MethodType
from typing import TYPE_CHECKING, TypeVar

from clsctl.errors import ProcessLost
from clsctl.inference.devices import get_device
from clsctl.training.distributed.ranks import Rank
from clsctl.training.distributed.sockets import (
    hide_from_network,
    interface_to,
    require_port,
    wait_for,
)
from clsctl.values import DeviceId

if TYPE_CHECKING:
    from paddle import Tensor, nn

T = TypeVar("T")

TOUCH_S = 5.0
"""How often a process that is long busy says that it is there."""


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """The processes that train together, as one of them sees it."""

    rank: Rank

    @property
    def is_rank_zero(self) -> bool:
        """Whether this is rank 0, which alone writes files."""
        return self.rank.number == 0

    @contextmanager
    def keep_alive(self) -> Iterator[None]:
        """Let each process do something that takes some of them longer; all leave together.

        gloo gives up a process that is silent for 30 s, so all say meanwhile that they are there.
        """
        if self.rank.size == 1 or not _by_gloo():
            yield
            return
        done = Event()
        pool = ThreadPoolExecutor(1, "clsctl-process-group")
        all_done = pool.submit(self._keep_in_touch, done)
        try:
            yield
        finally:
            done.set()
            pool.shutdown(wait=False)
        all_done.result()

    def on_rank_zero(self, work: Callable[[], object]) -> None:
        """Let rank 0 do something, for which the others wait."""
        with self.keep_alive():
            if self.is_rank_zero:
                work()

    def broadcast(self, make: Callable[[], T]) -> T:
        """Return what rank 0 makes, on every process; no other calls `make`."""
        if self.rank.size == 1:
            return make()
        from paddle import distributed

        with self.keep_alive():
            held = [make() if self.is_rank_zero else None]
        with _together():
            distributed.broadcast_object_list(held, 0)
        return held[0]  # type: ignore[return-value]

    def all_reduce(self, values: Sequence[float]) -> list[float]:
        """Sum over all processes, in float64."""
        if self.rank.size == 1:
            return list(values)
        import paddle

        total = paddle.to_tensor(list(values), dtype="float64")
        with _together():
            paddle.distributed.all_reduce(total)
        summed: list[float] = total.numpy().tolist()
        return summed

    def all_reduce_gradients(self, network: nn.Layer) -> None:
        """Sum every gradient over all processes, as one message for each type of number.

        A process that saw no image has no gradients; they count as 0.
        """
        if self.rank.size == 1:
            return
        by_type: dict[object, list[Tensor]] = {}
        for parameter in network.parameters():
            if not parameter.stop_gradient:
                by_type.setdefault(parameter.dtype, []).append(parameter)
        for parameters in by_type.values():
            _all_reduce_gradients(parameters)

    def broadcast_weights(self, network: nn.Layer) -> None:
        """Give every process rank 0's weights and buffers."""
        if self.rank.size == 1:
            return
        from paddle import distributed

        with _together():
            for tensor in network.state_dict().values():
                distributed.broadcast(tensor, 0)

    def _keep_in_touch(self, done: Event) -> None:
        while any(self.all_reduce([not done.is_set()])):
            done.wait(TOUCH_S)


SINGLE_PROCESS = ProcessGroup(Rank())


def init_process_group(rank: Rank, device: DeviceId) -> ProcessGroup:
    """Wait for the other processes and connect to them.

    Sets the environment variables that Paddle reads for it. Where rank 0 is on this very machine's
    loopback interface, nothing can be reached from others.

    Args:
        device: What this process computes on.

    Raises:
        ProcessLost: The others could not be reached (`E_PROCESS_LOST`).
        UsageError: This is rank 0 and its port is taken (`E_ADDRESS`).
    """
    if rank.size == 1:
        return SINGLE_PROCESS
    host, _, port = rank.master.rpartition(":")
    with _together(f"the processes of this run could not meet at {rank.master}"):
        _connect(rank, device, host, int(port))
    return ProcessGroup(rank)


def _connect(rank: Rank, device: DeviceId, host: str, port: int) -> None:
    from paddle import distributed
    from paddle.base import core

    interface = interface_to(host)
    kind = get_device(device)
    name, _, index = kind.paddle_place(device).partition(":")
    os.environ.update(
        rank.variables(),
        PADDLE_DISTRI_BACKEND=kind.collectives,
        **{f"FLAGS_selected_{name}s": index or "0"},
    )
    if interface:
        for library in ("GLOO", "NCCL"):
            os.environ.setdefault(f"{library}_SOCKET_IFNAME", interface)
    if rank.number:
        wait_for(host, port)
    else:
        require_port(port)
        # A store for one would not wait for the others before it returns, open to all.
        os.environ["PADDLE_TRAINERS_NUM"] = "1"
    core.create_or_get_global_tcp_store()
    os.environ["PADDLE_TRAINERS_NUM"] = str(rank.size)
    if rank.number == 0 and interface == "lo":
        hide_from_network(port)
    with redirect_stderr(io.StringIO()):  # Paddle lists flags that it has itself changed.
        distributed.init_parallel_env()


@contextmanager
def sync_batch_norm(network: nn.Layer) -> Iterator[None]:
    """Let batch normalisation take its statistics over the images of all processes for a while.

    Every process has to run the network meanwhile. Nothing else of the network changes: it is
    copied, saved and exported as before. Only GPUs can do it.
    """
    from paddle import nn

    layers = [
        layer
        for layer in network.sublayers(include_self=True)
        if isinstance(layer, (nn.BatchNorm1D, nn.BatchNorm2D))
    ]
    for layer in layers:
        vars(layer)["forward"] = MethodType(nn.SyncBatchNorm.forward, layer)
    try:
        yield
    finally:
        for layer in layers:
            del vars(layer)["forward"]


@contextmanager
def _together(failure: str = "another process of this run is gone") -> Iterator[None]:
    """Say plainly what a broken connection means."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise ProcessLost(
            f"{failure}: {reason}",
            hint="look at the end of its log in the run's folder `logs`, then resume with "
            "`clsctl train --resume DIR`",
        ) from error


def _by_gloo() -> bool:
    from paddle import distributed

    return distributed.get_backend() == "GLOO"


def _all_reduce_gradients(parameters: Sequence[Tensor]) -> None:
    import paddle

    gradients = [
        paddle.zeros_like(parameter) if parameter.grad is None else parameter.grad
        for parameter in parameters
    ]
    message = paddle.concat([gradient.flatten() for gradient in gradients])
    with _together():
        paddle.distributed.all_reduce(message)
    parts = message.split([gradient.size for gradient in gradients])
    idle = all(parameter.grad is None for parameter in parameters)
    for parameter, part in zip(parameters, parts, strict=True):
        if idle or parameter.grad is not None:  # What no process uses stays without.
            parameter.grad = part.reshape(parameter.shape)
