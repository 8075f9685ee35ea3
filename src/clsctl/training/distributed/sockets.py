"""Meet other processes: wait for one to listen, choose an interface, and stay off the others."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

MEETING_S = 900.0
"""So long the others wait for rank 0."""

POLL_S = 0.1

SIOCGIFADDR = 0x8915


def wait_for(host: str, port: int) -> None:
    """Wait until a process listens there; Paddle itself would look only every three seconds."""
    deadline = time.monotonic() + MEETING_S
    while True:
        try:
            socket.create_connection((host, port), timeout=POLL_S).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)
        else:
            return


def interface_to(host: str) -> str:
    """Find the name of the network interface by which this machine reaches another, or itself."""
    import fcntl
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))  # Of UDP: nothing is sent.
        address = socket.inet_aton(probe.getsockname()[0])
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode())
            try:
                if fcntl.ioctl(probe, SIOCGIFADDR, request)[20:24] == address:
                    return name
            except OSError:  # It has no address.
                continue
    return ""


def hide_from_network(port: int) -> None:
    """Let a listening socket of this process be reached by the loopback interface alone.

    Paddle's store listens on every address, and has no option for it.
    """
    for link in Path("/proc/self/fd").iterdir():
        try:
            duplicate = socket.socket(fileno=os.dup(int(link.name)))
        except OSError:  # It is no socket.
            continue
        with duplicate:
            listens = duplicate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            if listens and duplicate.getsockname()[1] == port:
                duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
