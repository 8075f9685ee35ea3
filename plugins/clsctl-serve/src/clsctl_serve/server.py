"""Serve in this process: uvicorn around the app, signals, how it starts and ends."""

from __future__ import annotations

import asyncio
import math
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

import uvicorn
from fastapi import FastAPI

from clsctl.errors import ClsctlError
from clsctl_serve.app import create_app
from clsctl_serve.base import BaseService
from clsctl_serve.connection import connection_class
from clsctl_serve.logs import start_logging
from clsctl_serve.options import ServeOptions

KEEP_ALIVE_S = 75
"""How long a connection without a request stays open; proxies in front keep theirs for less."""


def run_server(
    options: ServeOptions,
    listener: socket.socket,
    ready: Callable[[BaseService], None],
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
    serving = _serve(make_app(options), options, listener, ready, in_terminal)
    if sys.platform == "win32":  # for which there is no uvloop
        asyncio.run(serving)
    else:
        import uvloop

        uvloop.run(serving)


class _Server(uvicorn.Server):
    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


def _handle_signals(handlers: Mapping[str, Callable[[], None]]) -> None:
    """Handle those signals that this system has, in the loop where that can do so."""
    loop = asyncio.get_running_loop()
    for name, handler in handlers.items():
        number = getattr(signal, name, None)
        if number is None:
            continue
        try:
            loop.add_signal_handler(number, handler)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_, handler=handler: loop.call_soon_threadsafe(handler))


async def _serve(
    app: FastAPI,
    options: ServeOptions,
    listener: socket.socket,
    ready: Callable[[BaseService], None],
    in_terminal: bool,
) -> None:
    service: BaseService = app.state.service
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

    handlers = {"SIGTERM": stop, "SIGINT": stop if in_terminal else lambda: None}
    handlers["SIGHUP"] = service.request_reload
    _handle_signals(handlers)
    serving = asyncio.create_task(server.serve([listener]))
    try:
        await service.start()
        _handle_signals(handlers)  # again: Ray, where it was started, took them
        if not service.draining:
            ready(service)
    except ClsctlError:
        stop()
        raise
    finally:
        await serving
        await service.stop()
