"""A listening socket is hidden from other machines while other threads open and close files."""

from __future__ import annotations

import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from clsctl.training.distributed.sockets import hide_from_network

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes train on Linux alone")
FILES = Path("/proc/self/fd")


def connect_and_go(stop: Event) -> None:
    while not stop.is_set():
        for end in (*socket.socketpair(), *map(os.fdopen, os.pipe())):
            end.close()


def test_what_is_closed_meanwhile_is_passed_over_and_nothing_stays_open():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port, before = server.getsockname()[1], len(list(FILES.iterdir()))
        stop = Event()
        with ThreadPoolExecutor(1) as pool:
            others = pool.submit(connect_and_go, stop)
            try:
                for _ in range(3000):
                    hide_from_network(port + 1)
            finally:
                stop.set()
            others.result()
        assert len(list(FILES.iterdir())) <= before  # Others may have been closed, as garbage.
        hide_from_network(port)
        device = server.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16)
        assert device.rstrip(b"\0") == b"lo"
