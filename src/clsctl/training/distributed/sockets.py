"""Meet other processes: find the port free, wait for one to listen, stay off other interfaces."""

from __future__ import annotations

import errno
import os
import socket
import stat
import time
from pathlib import Path

from clsctl.console.messages import note
from clsctl.errors import UsageError

MEETING_S = 900.0
"""So long the others wait for rank 0."""

CLOSING_S = 120.0
"""So long rank 0 waits for its port: a connection that was closed holds one for a minute."""

POLL_S = 0.1

SIOCGIFADDR = 0x8915


def wait_for(host: str, port: int) -> None:
    """Wait until a process listens there; Paddle itself would look only every three seconds.

    Raises:
        TimeoutError: Nobody came.
    """
    deadline = time.monotonic() + MEETING_S
    while not _listens(host, port):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody listened there for {MEETING_S / 60:.0f} minutes")
        time.sleep(POLL_S)


def require_port(port: int) -> None:
    """Wait until this process can listen there, on any interface.

    Where it cannot, Paddle's store would end the process with a failed assertion.

    Raises:
        UsageError: It cannot (`E_ADDRESS`).
    """
    deadline = time.monotonic() + CLOSING_S
    told = False
    while (error := _bind_error(port)) is not None:
        closing = error.errno == errno.EADDRINUSE and not _listens("127.0.0.1", port)
        if not closing or time.monotonic() > deadline:
            raise UsageError(
                f"rank 0 cannot listen on port {port}: {os.strerror(error.errno or 0).lower()}",
                code="E_ADDRESS",
                hint="choose another port with --master or MASTER_PORT, the same for all machines; "
                "each restart takes the next one",
            )
        if not told:
            note(f"waiting for port {port}, which a connection still holds")
            told = True
        time.sleep(POLL_S)


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
            number = os.dup(int(link.name))
        except OSError:  # The store's thread has closed it meanwhile.
            continue
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            os.close(number)
            continue
        with socket.socket(fileno=number) as duplicate:
            listens = duplicate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            if listens and duplicate.getsockname()[1] == port:
                duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")


def _listens(host: str, port: int) -> bool:
    """Whether a process listens there."""
    with socket.socket() as probe:
        probe.settimeout(POLL_S)
        # Else the port could not be listened on for a minute, had the probe met itself there.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.connect((host, port))
        except OSError:
            return False
        return bool(probe.getsockname() != probe.getpeername())


def _bind_error(port: int) -> OSError | None:
    """Why a socket cannot be bound to the port, in the way of one that is going to listen."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            return error
    return None
