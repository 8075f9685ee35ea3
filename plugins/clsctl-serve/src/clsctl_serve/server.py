"""One process that serves: uvicorn around the app, signals, how it starts and ends."""

from __future__ import annotations

import asyncio
import math
import signal
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import uvicorn
import uvloop
from fastapi import FastAPI

from clsctl.errors import ClsctlError
from clsctl_serve.app import create_app
from clsctl_serve.connection import connection_class
from clsctl_serve.logs import start_logging
from clsctl_serve.options import ServeOptions
from clsctl_serve.service import Service

KEEP_ALIVE_S = 75
"""How long a connection without a request stays open; proxies in front keep theirs for less."""


def run_server(
    options: ServeOptions,
    listener: socket.socket,
    ready: Callable[[Service], None],
    in_terminal: bool = True,
    make_app: Callable[[ServeOptions], FastAPI] = create_app,
) -> None:
    """Serve until a signal ends it: SIGTERM or Ctrl-C; SIGHUP reloads the models.

    Args:
        listener: A bound socket.
        ready: Called once the models are loaded.
        in_terminal: Whether Ctrl-C is meant for this process, and not for one that started it.
        make_app: Makes the app, whose state holds the service.

    Raises:
        ClsctlError: Not one model could be loaded.
    """
    start_logging(options.log_format)
    uvloop.run(_serve(make_app(options), options, listener, ready, in_terminal))


class _Server(uvicorn.Server):
    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


async def _serve(
    app: FastAPI,
    options: ServeOptions,
    listener: socket.socket,
    ready: Callable[[Service], None],
    in_terminal: bool,
) -> None:
    service: Service = app.state.service
    server = _Server(
        uvicorn.Config(
            app,
            http=connection_class(options.timeout, options.max_connections),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=math.ceil(options.timeout),
        )
    )

    def stop() -> None:
        server.force_exit = server.should_exit  # a second time: at once
        service.draining = server.should_exit = True

    def handle_signals() -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop)
        loop.add_signal_handler(signal.SIGINT, stop if in_terminal else lambda: None)
        loop.add_signal_handler(signal.SIGHUP, service.request_reload)

    handle_signals()
    serving = asyncio.create_task(server.serve([listener]))
    try:
        await service.start()
        handle_signals()  # again: Ray, where it was started, took them
        if not service.draining:
            ready(service)
    except ClsctlError:
        stop()
        raise
    finally:
        await serving
        await service.stop()
