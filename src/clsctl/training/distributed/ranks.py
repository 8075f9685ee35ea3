"""Find out which of the processes that train together this one is, from its launcher."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from clsctl.errors import UsageError


@dataclass(frozen=True, slots=True)
class Rank:
    """A process's place among those that train together.

    Attributes:
        number: Its rank, from 0; rank 0 alone writes the run's files.
        size: How many there are, on all machines.
        local: Its place among those of its machine, from 0.
        local_size: How many there are on its machine.
        master: `HOST:PORT` at which rank 0 meets the others; empty for a process on its own.
    """

    number: int = 0
    size: int = 1
    local: int = 0
    local_size: int = 1
    master: str = ""

    def variables(self) -> dict[str, str]:
        """The environment that tells a process its rank, as Paddle's own launcher sets it."""
        host, _, port = self.master.rpartition(":")
        numbers = map(str, (self.number, self.size, self.local, self.local_size))
        return dict(zip(LAUNCHERS["Paddle"], numbers, strict=True)) | {
            "PADDLE_MASTER": self.master,
            "PADDLE_CURRENT_ENDPOINT": f"{host}:{self.number}",
            "MASTER_ADDR": host,
            "MASTER_PORT": port,
        }


class Launcher(NamedTuple):
    """The environment variables by which a launcher tells a process its rank."""

    number: str
    size: str
    local: str
    local_size: str


LAUNCHERS = {
    "Paddle": Launcher(
        "PADDLE_TRAINER_ID", "PADDLE_TRAINERS_NUM", "PADDLE_LOCAL_RANK", "PADDLE_LOCAL_SIZE"
    ),
    "torchrun": Launcher("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"),
    # Slurm binds each task to its cores, so their number on a machine is of no interest.
    "Slurm": Launcher("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", ""),
    "Open MPI": Launcher(
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
        "OMPI_COMM_WORLD_LOCAL_RANK",
        "OMPI_COMM_WORLD_LOCAL_SIZE",
    ),
}


def current_rank(environment: Mapping[str, str] = os.environ) -> Rank:
    """Return the rank of this process; of one on its own where no launcher has set one.

    Raises:
        UsageError: A launcher's variables are incomplete or no numbers (`E_LAUNCHER`).
    """
    for name, launcher in LAUNCHERS.items():
        if launcher.number in environment and launcher.size in environment:
            return _read(name, launcher, environment)
    return Rank()


def is_port(text: str) -> bool:
    """Whether a text is the number of a port that can be listened on."""
    return text.isdecimal() and 0 < int(text) < 1 << 16


def _read(name: str, launcher: Launcher, environment: Mapping[str, str]) -> Rank:
    defaults = {"": "1", launcher.local: "0", launcher.local_size: "1"}
    try:
        number, size, local, local_size = (
            int(environment.get(key) or defaults[key]) for key in launcher
        )
    except (KeyError, ValueError):
        raise _wrong(name, f"{launcher.number} and {launcher.size} must be numbers") from None
    if not 0 <= number < size:
        raise _wrong(name, f"{launcher.number} is {number} and {launcher.size} is {size}")
    if size == 1:
        return Rank()
    master = _master(environment)
    if not master:
        raise _wrong(name, "nothing says where rank 0 is")
    return Rank(number, size, local, local_size, master)


def _master(environment: Mapping[str, str]) -> str:
    """Find the address of rank 0."""
    host, given = environment.get("MASTER_ADDR"), environment.get("MASTER_PORT", "")
    if host is not None and is_port(given):
        # torchrun may listen there itself.
        taken = environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        return f"{host}:{int(given) + taken}"
    if "SLURM_STEP_NODELIST" in environment:
        # As is usual: the step's first machine, and a port that another job hardly has.
        port = 20000 + int(environment.get("SLURM_JOB_ID", "0")) % 10000
        return f"{_first_node(environment['SLURM_STEP_NODELIST'])}:{port}"
    endpoints = environment.get("PADDLE_TRAINER_ENDPOINTS", "")
    return environment.get("PADDLE_MASTER") or endpoints.partition(",")[0]


def _first_node(nodes: str) -> str:
    """`gpu[03-07,9],cpu1` -> `gpu03`."""
    match = re.match(r"([^\[,]*)(?:\[(\w+)[^\]]*\])?([^\[,]*)", nodes)
    return "".join(part or "" for part in match.groups()) if match else nodes


def _wrong(name: str, reason: str) -> UsageError:
    return UsageError(
        f"{name}'s environment variables do not say which process this is: {reason}",
        code="E_LAUNCHER",
        hint="set MASTER_ADDR and MASTER_PORT to where rank 0 can be met, or unset the variables "
        "to train in one process",
    )
