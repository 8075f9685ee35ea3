"""Run commands in processes that are forked from one that has loaded the libraries already.

Loading Paddle takes one to four seconds, and hundreds of tests would wait for it. Nothing of clsctl
itself is loaded before the fork: what a command imports, and in which order, stays its own affair.
What libraries read of the environment when they are loaded is as it was when the first of these
processes began, so a command that shall have it otherwise needs a process of its own.
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import pytest

# Not those that begin threads as they are loaded, which a fork does not copy.
LIBRARIES = ("paddle", "cv2", "typer", "rich.table", "rich.progress", "yaml", "pluggy", "httpcore")

QUIET = {"GLOG_minloglevel": "2", "OPENCV_LOG_LEVEL": "SILENT"}
"""What clsctl sets before it loads them."""

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "no_proxy")
OTHERS = ("CLSCTL_", "COLUMNS", "MPLCONFIGDIR", "PYTEST_", "RAY_", *PROXIES, *QUIET)
"""How the variables begin that do not matter while the libraries are loaded."""

_MESSAGE = 1 << 17
_SECONDS = 300

SET_BY_LOADING = ("CUSTOM_DEVICE_ROOT", "LD_LIBRARY_PATH", "OMP_NUM_THREADS")
"""What is left in the environment of a process that loads Paddle and OpenCV."""


def read_by_libraries(env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that libraries may read while they are loaded."""
    return {name: text for name, text in env.items() if not name.startswith(OTHERS)}


_AT_FIRST = read_by_libraries(os.environ)


def forget_loading(patch: pytest.MonkeyPatch) -> None:
    """Let processes begin as if this one had not loaded any library."""
    for name in SET_BY_LOADING:
        if name in _AT_FIRST:
            patch.setenv(name, _AT_FIRST[name])
        else:
            patch.delenv(name, raising=False)


def serves(env: Mapping[str, str]) -> bool:
    """Whether the loaded libraries are as they would be in a process of this environment.

    On macOS libraries do not survive a fork, and Windows has none.
    """
    return sys.platform == "linux" and read_by_libraries(env) == _AT_FIRST


@functools.cache
def _server() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Start the process that has loaded the libraries, and how to ask it; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, __file__, str(theirs.fileno())]
        server = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    return ours, server


def run(
    arguments: Sequence[str],
    env: Mapping[str, str],
    stdin: bytes,
    folder: Path,
) -> subprocess.CompletedProcess[bytes]:
    """Run `clsctl ARGUMENTS` as `subprocess.run` would, but in a fork."""
    answer, answered = os.pipe()
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        os.fdopen(answer) as lines,
    ):
        given.write(stdin)
        given.seek(0)
        message = json.dumps([list(arguments), dict(env), str(folder)]).encode()
        descriptors = [given.fileno(), out.fileno(), err.fileno(), answered]
        try:
            socket.send_fds(_server()[0], [message], descriptors)
        finally:
            os.close(answered)
        stop = threading.Timer(_SECONDS, os.kill, (int(lines.readline()), signal.SIGKILL))
        stop.start()
        status = int(lines.readline())
        stop.cancel()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(arguments, status, out.read(), err.read())


def _serve(requests: socket.socket) -> None:
    """Fork for each request, until whoever asks is gone."""
    os.environ.update(QUIET)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in LIBRARIES:
            importlib.import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, _MESSAGE, 4)
        if not message:
            return
        if not os.fork():
            _watch(message, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _watch(message: bytes, descriptors: Sequence[int]) -> NoReturn:
    """Run one command in a child, and say its number and then how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *standard, answered = descriptors
    child = os.fork()
    if not child:
        for number, descriptor in enumerate(standard):
            os.dup2(descriptor, number)
        os.closerange(3, answered + 1)
        _become(*json.loads(message))
    os.write(answered, f"{child}\n".encode())
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.write(answered, f"{status}\n".encode())
    os._exit(0)


def _become(arguments: list[str], env: dict[str, str], folder: str) -> NoReturn:
    """Be `python -m clsctl ARGUMENTS`, which ends the process itself."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    sys.argv[1:] = arguments
    sys.path[0] = folder
    from clsctl.__main__ import main

    main()


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
