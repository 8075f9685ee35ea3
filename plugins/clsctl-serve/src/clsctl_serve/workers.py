"""Serve in several processes on one socket, and watch over them.

Each has its own queue and models. The system hands a new connection to whichever accepts first; a
process that dies loses what it held, and is started again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from clsctl.errors import ClsctlError, ProcessLost
from clsctl.system.temporary import scratch_folder
from clsctl_serve.engine import worker_threads
from clsctl_serve.logs import start_logging
from clsctl_serve.metrics import SHARED
from clsctl_serve.options import ServeOptions
from clsctl_serve.parent import follow_parent

log = logging.getLogger("clsctl_serve")

SHORT_S = 5.0
"""A process that lives no longer than this counts as one that failed to start."""

FAILURES = 5
"""So many of these, one after the other, end the server."""


def run_workers(
    count: int, options: ServeOptions, listener: socket.socket, ready: Callable[[Any], None]
) -> None:
    """Serve with `count` processes until a signal ends it.

    Args:
        ready: Called with the first process's summary once all are ready.

    Raises:
        ClsctlError: Not one model could be loaded.
        ProcessLost: Processes die as soon as they are started (`E_PROCESS_LOST`).
    """
    start_logging(options.log_format)
    share = max(1, worker_threads(options) // count)
    with _shared_figures():
        workers = _Workers(replace(options, threads=share), listener)
        with _signals(workers):
            workers.run(count, ready)


class _Workers:
    """The processes, and what they report."""

    def __init__(self, options: ServeOptions, listener: socket.socket) -> None:
        self._options, self._listener = options, listener
        self._context = get_context("spawn")
        self._members: dict[int, tuple[BaseProcess, Connection, float]] = {}
        self._stopping = False
        self._failures = 0

    def run(self, count: int, ready: Callable[[Any], None]) -> None:
        for _ in range(count):
            self._start()
        waiting = count
        while self._members:
            for event in wait([*self._sentinels(), *self._pipes()], timeout=1.0):
                if isinstance(event, Connection):
                    summary = self._receive(event)
                    waiting -= summary is not None
                    if summary is not None and waiting == 0:
                        ready(summary)
                else:
                    self._replace_dead(event)  # type: ignore[arg-type]

    def stop(self) -> None:
        """Take no more connections, and let every process finish what it has."""
        self._stopping = True
        self._listener.close()
        self.signal(signal.SIGTERM)

    def signal(self, number: int) -> None:
        for process, _, _ in list(self._members.values()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid or 0, number)

    def _start(self) -> None:
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_work, args=(self._options, self._listener, theirs), daemon=False
        )
        process.start()
        theirs.close()
        self._members[process.sentinel] = process, ours, time.monotonic()

    def _sentinels(self) -> list[int]:
        return list(self._members)

    def _pipes(self) -> list[Connection]:
        return [pipe for _, pipe, _ in self._members.values() if not pipe.closed]

    def _receive(self, pipe: Connection) -> Any:
        """Receive what a process says of itself: that it is ready, or why it cannot be."""
        try:
            said = pipe.recv()
        except EOFError:
            said = None
        pipe.close()
        if isinstance(said, ClsctlError):
            self.stop()
            for process, _, _ in self._members.values():
                process.join()
            raise said
        return said

    def _replace_dead(self, sentinel: int) -> None:
        process, pipe, begun = self._members.pop(sentinel)
        process.join()
        pipe.close()
        if SHARED in os.environ:
            from prometheus_client.multiprocess import mark_process_dead

            mark_process_dead(process.pid)  # type: ignore[no-untyped-call]
        if self._stopping:
            return
        extra = {"pid": process.pid, "status": process.exitcode}
        log.error("a worker died and is started again", extra=extra)
        self._failures = self._failures + 1 if time.monotonic() - begun < SHORT_S else 0
        if self._failures >= FAILURES:
            self.stop()
            raise ProcessLost("worker after worker died as soon as it was started")
        self._start()


def _work(options: ServeOptions, listener: socket.socket, pipe: Connection) -> None:
    """Serve in one of the processes."""
    from clsctl_serve.server import run_server

    # Gracefully, where the watching process was killed.
    follow_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
    try:
        run_server(options, listener, lambda service: pipe.send(service.summary()), False)
    except ClsctlError as error:
        with contextlib.suppress(OSError):
            pipe.send(error)
        sys.exit(error.exit_status)


@contextmanager
def _signals(workers: _Workers) -> Iterator[None]:
    handlers = {
        signal.SIGTERM: lambda *_: workers.stop(),
        signal.SIGINT: lambda *_: workers.stop(),
    }
    if sys.platform != "win32":
        handlers[signal.SIGHUP] = lambda *_: workers.signal(signal.SIGHUP)
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _shared_figures() -> Iterator[None]:
    """Keep a folder through which the processes' figures become one."""
    with scratch_folder() as folder:
        os.environ[SHARED] = str(folder)
        try:
            yield
        finally:
            del os.environ[SHARED]
