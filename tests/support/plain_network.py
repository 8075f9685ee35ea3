"""A tiny network without batch normalisation, which can be told to die while it trains.

Without batch statistics what several processes learn is exactly what one process learns.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
from pathlib import Path

import paddle
from paddle import nn

from clsctl.networks.base import Network

KILLED_AT = "PLAIN_KILLED_AT"
"""`RANK STEP FILE`: that process dies at its step, unless the file is there, which it makes."""

LISTENING = "PLAIN_LISTENING"
"""Where to write, at each step, on what the process listens."""

PIDFD_GETFD = 438
"""Linux's call that copies an open file of another process; the same number on every machine."""


class Plain(Network):
    num_features = 8
    head_name = "fc"

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.conv = nn.Conv2D(3, 8, 5, stride=4)
        self.unused = nn.Linear(2, 2)
        self.fc = nn.Linear(8, num_classes)
        self.steps = 0

    def forward_features(self, x: paddle.Tensor) -> paddle.Tensor:
        if self.training:
            self.steps += 1
            die_if_told(self.steps)
            write_listening()
        return nn.functional.gelu(self.conv(x))

    def forward_head(self, x: paddle.Tensor, pre_logits: bool = False) -> paddle.Tensor:
        pooled = x.mean([2, 3])
        return pooled if pre_logits else self.fc(pooled)

    def stage_prefixes(self) -> dict[str, tuple[str, ...]]:
        return {"stem": ("conv",), "head": ("unused", "fc")}


def die_if_told(step: int) -> None:
    rank, when, path = os.environ.get(KILLED_AT, "-1 0 -").split()
    told = rank == os.environ.get("PADDLE_TRAINER_ID") and step == int(when)
    if told and not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)


def write_listening() -> None:
    """Address and device of every listening socket, one a line."""
    if LISTENING in os.environ and os.environ.get("PADDLE_TRAINER_ID") == "0":
        Path(os.environ[LISTENING]).write_text("\n".join(listening()))


def listening(process: int | None = None) -> list[str]:
    """Address and device of every listening socket of a process, which is this one or its child."""
    number = process or os.getpid()
    handle, libc, found = os.pidfd_open(number), ctypes.CDLL(None), []
    for link in Path(f"/proc/{number}/fd").iterdir():
        duplicate = libc.syscall(PIDFD_GETFD, handle, int(link.name), 0)
        if duplicate < 0:  # Closed meanwhile.
            continue
        try:
            its = socket.socket(fileno=duplicate)
        except OSError:  # It is no socket.
            os.close(duplicate)
            continue
        with its:
            if its.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                device = its.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16)
                found.append(f"{its.getsockname()[0]} {device.decode()}".rstrip(" \0"))
    os.close(handle)
    return found
