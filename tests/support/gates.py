"""An image behind a web server: whoever comes to it waits there until the test lets it continue."""

from __future__ import annotations

import os
import queue
import select
import subprocess
import threading
from pathlib import Path

from servers import Site, Visit

PROC = Path("/proc")
_STATE, _INODE, _HERE, _LISTENING = 3, 9, 1, "0A"


class Gate:
    """The server; `url` is to be in the place of an image that a command is going to read.

    Attributes:
        reader: The process that waits there.
    """

    def __init__(self, content: bytes) -> None:
        self.reader = 0
        self._content = content
        self._open = threading.Event()
        self._arrived: queue.SimpleQueue[Visit | None] = queue.SimpleQueue()
        self._site = Site({"/gate.png": self._answer})
        self.url = f"{self._site.url}/gate.png"
        threading.Thread(target=self._site.serve_forever, args=(0.01,), daemon=True).start()

    def wait(self, command: subprocess.Popen[bytes]) -> int:
        """Block until a process has come; a second time, until it is dead and another one came.

        Fails where the command ends before that.
        """
        if self.reader:
            _wait_for_end(self.reader)
        threading.Thread(target=self._give_up_after, args=[command], daemon=True).start()
        visit = self._arrived.get()
        assert visit, command.communicate()
        sockets = _sockets(port=visit.client_address[1])
        [self.reader] = {pid for pid in processes() if sockets & set(_open_files(pid))}
        return self.reader

    def open(self) -> None:
        """Give the process that waits its image, and every later one."""
        self._open.set()

    def shut(self) -> None:
        self._open.clear()

    def _answer(self, visit: Visit) -> None:
        if not self._open.is_set():
            self._arrived.put(visit)
            self._open.wait()
        visit.begin(200, Content_Length=len(self._content))
        visit.wfile.write(self._content)

    def _give_up_after(self, command: subprocess.Popen[bytes]) -> None:
        command.wait()
        self._arrived.put(None)


def _wait_for_end(pid: int) -> None:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    select.select([process], [], [])
    os.close(process)


def processes() -> list[int]:
    return [int(path.name) for path in PROC.iterdir() if path.name.isdecimal()]


def ancestors(pid: int) -> list[int]:
    """The process, its parent, and so on."""
    found = []
    while pid > 1:
        found.append(pid)
        try:
            status = (PROC / str(pid) / "stat").read_text()
        except OSError:
            break
        pid = int(status.rpartition(")")[2].split()[1])
    return found


def listening(pids: list[int]) -> set[str]:
    """The addresses on which these processes listen, as the kernel writes them."""
    files = {target for pid in pids for target in _open_files(pid)}
    return {
        row[_HERE].partition(":")[0]
        for row in _connections()
        if row[_STATE] == _LISTENING and f"socket:[{row[_INODE]}]" in files
    }


def _sockets(port: int) -> set[str]:
    """What a process has open that speaks from this port."""
    return {
        f"socket:[{row[_INODE]}]"
        for row in _connections()
        if int(row[_HERE].partition(":")[2], 16) == port
    }


def _connections() -> list[list[str]]:
    return [
        line.split()
        for name in ("tcp", "tcp6")
        for line in (PROC / "net" / name).read_text().splitlines()[1:]
    ]


def _open_files(pid: int) -> list[str]:
    """None of a process that ends while we look."""
    try:
        return [str(link.readlink()) for link in (PROC / str(pid) / "fd").iterdir()]
    except OSError:
        return []
