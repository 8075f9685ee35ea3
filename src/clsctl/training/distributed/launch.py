"""Start the processes that train together, watch over them, and start them again.

Each runs the very command line that started this process; its rank is in its environment, as from
any launcher. Rank 0 keeps the terminal, the others write to `logs/rank_N.log` in the run's folder.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from clsctl.console.messages import note, status
from clsctl.errors import Interrupted, ProcessLost, UsageError
from clsctl.paths import is_file
from clsctl.schema.layers import ConfigSource
from clsctl.system.files import require_output_folder
from clsctl.training.config.run_config import CONFIG, resolve_run
from clsctl.training.distributed import environment
from clsctl.training.distributed.devices import device_of
from clsctl.training.distributed.nodes import Nodes, check_nodes, wanted_processes
from clsctl.training.distributed.ranks import Rank, current_rank
from clsctl.training.run_dir import files
from clsctl.training.signals import Stop, stop_requests

GRACE_S = 10.0
"""After one process failed, the others have so long to end by themselves."""

POLL_S = 0.05
LAST_LINES = 20
PR_SET_PDEATHSIG = 1

Workers = Mapping[int, "subprocess.Popen[bytes]"]


def supervise(
    sources: Sequence[ConfigSource],
    resume: bool,
    nodes: Nodes,
    *,
    linux: bool = sys.platform == "linux",
) -> bool:
    """Train in processes of their own, where there are several or they are to be started again.

    Processes that were started by this function, or by a launcher, train themselves.

    Args:
        sources: The configuration; see `clsctl.training.train.run_training`.
        resume: Whether a run is resumed.
        nodes: The machines.
        linux: Whether this is Linux, by which processes find their network interface.

    Returns:
        Whether it was done; otherwise this process is to train.

    Raises:
        UsageError: The processes do not fit the machines (`E_PROCESSES`, `E_NODES`), or the folder
            already holds a run (`E_RUN_EXISTS`).
        DeviceError: A device is not there.
        ProcessLost: A process died, and was started again often enough (`E_PROCESS_LOST`).
        SystemExit: A process ended with an error that it has printed itself.
    """
    if environment.MARK in os.environ or current_rank().size > 1:
        return False
    check_nodes(nodes)
    config = resolve_run(sources, resume, say=lambda text: None).config
    size = wanted_processes(config, nodes.count)
    if size == 1 and not nodes.restarts:
        return False
    if not linux:
        raise UsageError(
            "training in several processes runs on Linux alone",
            code="E_PROCESSES",
            hint="leave out --processes, --nnodes and --max-restarts, and name one device",
        )
    require_output_folder(Path(config.output))
    if not resume:
        files.refuse_to_overwrite(Path(config.output))
    for local in range(size // nodes.count):
        device_of(config.device, local)
    with stop_requests() as stop:
        for attempt in itertools.count():
            failure = _attempt(Path(config.output), size, nodes, attempt, stop)
            if failure is None:
                return True
            if attempt == nodes.restarts:
                raise failure
            note(f"{failure.message}; starting again ({attempt + 1} of {nodes.restarts})")
    return True


# ---- one attempt -------------------------------------------------------------------------------


def _attempt(
    run_dir: Path, size: int, nodes: Nodes, attempt: int, stop: Stop
) -> ProcessLost | None:
    """Run all processes of this machine to their end; the reason where another try may do better.

    Raises:
        SystemExit: Another try would end like this one.
    """
    logs = run_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, *sys.orig_argv[1:]]
    if attempt and is_file(run_dir / CONFIG) and "--resume" not in command:
        command.append("--resume")
    with _started(command, _environments(size, nodes, attempt), logs) as workers:
        ended = _watch(workers, stop)
    return _judge(ended, logs, stop)


def _environments(size: int, nodes: Nodes, attempt: int) -> dict[int, dict[str, str]]:
    """The environment of each process on this machine, by rank."""
    shared = environment.variables() | dict(os.environ) | {environment.MARK: "1"}
    local_size, master = size // nodes.count, _master(nodes, attempt)
    first = nodes.number * local_size
    ranks = [Rank(first + n, size, n, local_size, master) for n in range(local_size)]
    return {rank.number: shared | rank.variables() for rank in ranks}


def _master(nodes: Nodes, attempt: int) -> str:
    """Choose where rank 0 is met: another port each time, so that no process of before is met."""
    if nodes.master:
        host, _, port = nodes.master.rpartition(":")
        return f"{host}:{int(port) + attempt}"
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


@contextmanager
def _started(
    command: list[str], environments: Mapping[int, Mapping[str, str]], logs: Path
) -> Iterator[Workers]:
    """The processes, by rank; what is left of them at the end of the block is killed."""
    workers: dict[int, subprocess.Popen[bytes]] = {}
    try:
        for rank, variables in environments.items():
            with _log(logs, rank).open("ab") if rank else nullcontext() as output:
                workers[rank] = subprocess.Popen(
                    command,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    # The terminal would send Ctrl-C to each process, and so would this one.
                    start_new_session=True,
                    preexec_fn=_end_with_parent() if sys.platform == "linux" else None,
                )
        _announce(workers, logs)
        yield workers
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()


def _announce(workers: Workers, logs: Path) -> None:
    for rank, worker in workers.items():
        place = f", its output in {_log(logs, rank)}" if rank else ""
        note(f"rank {rank} is process {worker.pid}{place}")


def _end_with_parent() -> Callable[[], None]:
    """What a new process does first: ask to be told to stop when this one dies, however it does."""
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _watch(workers: Workers, stop: Stop) -> dict[int, int]:
    """Wait for all, or until one has failed and the others have had time to notice.

    Returns:
        Exit statuses by rank, in the order in which the processes ended.
    """
    ended: dict[int, int] = {}
    deadline, told = math.inf, False
    while len(ended) < len(workers) and time.monotonic() < deadline:
        time.sleep(POLL_S)
        for rank, worker in workers.items():
            if rank not in ended and worker.poll() is not None:
                ended[rank] = worker.returncode
        if any(ended.values()):
            deadline = min(deadline, time.monotonic() + GRACE_S)
        if stop.is_set() and not told:
            told = True
            for worker in workers.values():
                worker.terminate()
    return ended


def _judge(ended: Mapping[int, int], logs: Path, stop: Stop) -> ProcessLost | None:
    """Judge the exit statuses; see `_attempt`."""
    failed = {rank: status for rank, status in ended.items() if status}
    if not failed:
        return None
    if stop.is_set():
        if Interrupted.exit_status not in failed.values():
            raise Interrupted("interrupted")
        raise SystemExit(Interrupted.exit_status)
    # Those that only miss another one are not the cause.
    causes = {rank: s for rank, s in failed.items() if s != ProcessLost.exit_status} or failed
    rank, status = next(iter(causes.items()))
    if rank:
        _show_end(_log(logs, rank))
    if status > 1 and status != ProcessLost.exit_status:
        raise SystemExit(status)
    how = f"ended with exit status {status}"
    if status < 0:
        how = f"was killed by {signal.Signals(-status).name}"
    return ProcessLost(
        f"rank {rank} {how}",
        hint=f"resume with `clsctl train --resume {logs.parent}`; with --max-restarts 3 it does so "
        "by itself",
    )


def _show_end(log: Path) -> None:
    """Print the last lines of a process's output."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
    note(f"the end of {log}:")
    for line in lines:
        status(f"  {line}")


def _log(logs: Path, rank: int) -> Path:
    return logs / f"rank_{rank}.log"
