"""Turn the command line's words into a server that runs."""

from __future__ import annotations

import functools
import os
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clsctl.console.text import print_line
from clsctl.errors import UsageError
from clsctl.paths import read_text
from clsctl_serve.options import ServeOptions

if TYPE_CHECKING:
    from clsctl_serve.replicas import Replication

_MAX_KEY = 1 << 16
BACKLOG = 1024
KEY_VARIABLE = "CLSCTL_API_KEY"
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}


def start(
    options: ServeOptions,
    listener: socket.socket,
    workers: int,
    replication: Replication | None = None,
) -> None:
    """Download what is missing, load, say so in one line, and serve until a signal ends it.

    Args:
        workers: Processes on this machine.
        replication: Of the app on a cluster, in place of these.

    Raises:
        ClsctlError: Not one model could be loaded.
    """
    from clsctl.console.progress import transfer_bar
    from clsctl_serve.engine import find_models

    with transfer_bar("pulling the model") as progress:
        find_models(options, progress)

    def ready(models: Any) -> None:
        print_line(f"clsctl serves {models} at {_address(listener)}", flush=True)

    if replication is not None:
        from clsctl_serve.front import create_front
        from clsctl_serve.server import run_server

        make_app = functools.partial(create_front, replication=replication)
        run_server(options, listener, lambda service: ready(service.summary()), make_app=make_app)
    elif workers == 1:
        from clsctl_serve.server import run_server

        run_server(options, listener, lambda service: ready(service.summary()))
    else:
        from clsctl_serve.workers import run_workers

        run_workers(workers, options, listener, ready)


def listen(host: str, port: int) -> socket.socket:
    """Bind a socket to the address.

    Raises:
        UsageError: It cannot be (`E_ADDRESS`).
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"cannot listen on {host}, port {port}: {reason.lower()}",
            code="E_ADDRESS",
            hint="choose another one with --host and --port; --port 0 takes a free one",
        ) from None


def parse_size(text: str) -> int:
    """Return the bytes that a text such as `20MB` means.

    Raises:
        UsageError: It means none (`E_VALUE`).
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]I?|)B?", text.strip().upper())
    if match is None:
        raise UsageError(f"'{text}' is no size", code="E_VALUE", hint="write 500KB or 20MB")
    return int(float(match[1]) * _UNITS[match[2]])


def read_key(path: Path | None) -> str:
    """Read the API key in the file, or else in the environment; empty where there is none.

    Raises:
        UsageError: The file cannot be read, or holds nothing (`E_API_KEY`).
    """
    if path is None:
        return os.environ.get(KEY_VARIABLE, "").strip()
    try:
        key = read_text(path, limit=_MAX_KEY).strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"cannot read {path}: {reason.lower()}", code="E_API_KEY") from None
    if not key:
        raise UsageError(f"{path} holds no key", code="E_API_KEY")
    return key


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"
