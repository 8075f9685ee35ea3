"""Count the processes of a run, and the machines they are spread over."""

from __future__ import annotations

from dataclasses import dataclass

from clsctl.errors import UsageError
from clsctl.training.config.train_config import TrainConfig
from clsctl.training.distributed.ranks import is_port


@dataclass(frozen=True, slots=True)
class Nodes:
    """The machines of a run.

    Attributes:
        count: How many there are.
        number: This one, from 0.
        master: `HOST:PORT` of machine 0; may be empty where there is but one.
        restarts: How often the processes are started again after one of them died.
    """

    count: int = 1
    number: int = 0
    master: str = ""
    restarts: int = 0


def wanted_processes(config: TrainConfig, nodes: int = 1) -> int:
    """Count the processes that train together, on all machines.

    Raises:
        UsageError: They do not go evenly on machines or devices (`E_PROCESSES`).
    """
    devices = nodes * (config.device.count(",") + 1)
    processes = config.processes or devices
    if processes % nodes:
        raise _uneven(f"{processes} processes cannot be spread evenly over {nodes} machines")
    if ":" in config.device and processes != devices:
        raise _uneven(
            f"{processes} processes cannot share the {devices} device(s) of '{config.device}'"
        )
    return processes


def check_nodes(nodes: Nodes) -> None:
    """Check that the options of several machines fit together.

    Raises:
        UsageError: They do not (`E_NODES`).
    """
    hint = "one machine is `--nnodes 2 --node-rank 0 --master HOST:PORT`, the next `--node-rank 1`"
    if not 0 <= nodes.number < nodes.count:
        raise UsageError(
            f"of {nodes.count} machine(s) there is no number {nodes.number}; they count from 0",
            code="E_NODES",
            hint=hint,
        )
    host, _, port = nodes.master.rpartition(":")
    if nodes.count > 1 and not (host and is_port(port)):
        raise UsageError(
            f"several machines meet at --master HOST:PORT, not at '{nodes.master}'",
            code="E_NODES",
            hint=hint,
        )


def _uneven(reason: str) -> UsageError:
    return UsageError(
        reason,
        code="E_PROCESSES",
        hint="--processes counts those of all machines, one a device; leave it out, or name the "
        "devices as in --device gpu:0,1",
    )
