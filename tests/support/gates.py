"""An image that is a named pipe: whoever comes to it waits there until the test lets it go on."""

from __future__ import annotations

import os
import select
import subprocess
import threading
from pathlib import Path

PROC = Path("/proc")


class Gate:
    """The pipe, in the place of an image that a command is going to read.

    Attributes:
        reader: The process that waits there.
    """

    def __init__(self, path: Path) -> None:
        path.unlink()
        os.mkfifo(path)
        self.reader = 0
        self._path = path
        self._writer = -1

    def wait(self, command: subprocess.Popen[bytes]) -> int:
        """Block until a process has come; a second time, until it is dead and another one came.

        Fails where the command ends before that.
        """
        if self._writer >= 0:
            _wait_for_end(self.reader)
        threading.Thread(target=self._give_up_after, args=[command], daemon=True).start()
        # The new reader would see an end of the file if the old writer were closed first.
        writer = os.open(self._path, os.O_WRONLY)
        self.close()
        self._writer = writer
        assert command.poll() is None, command.communicate()
        [self.reader] = {pid for pid in processes() if _has_open(pid, self._path)} - {os.getpid()}
        return self.reader

    def open(self, content: bytes) -> None:
        """Give the process that waits its image."""
        os.write(self._writer, content)
        self.close()

    def close(self) -> None:
        if self._writer >= 0:
            os.close(self._writer)
        self._writer = -1

    def _give_up_after(self, command: subprocess.Popen[bytes]) -> None:
        command.wait()
        os.close(os.open(self._path, os.O_RDONLY | os.O_NONBLOCK))


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
    inodes = {target for pid in pids for target in _open_files(pid) if target[:7] == "socket:"}
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in (PROC / "net" / name).read_text().splitlines()[1:]
    ]
    state, inode, address = 3, 9, 1
    return {
        row[address].partition(":")[0]
        for row in rows
        if row[state] == "0A" and f"socket:[{row[inode]}]" in inodes
    }


def _has_open(pid: int, path: Path) -> bool:
    return str(path) in _open_files(pid)


def _open_files(pid: int) -> list[str]:
    """None of a process that ends while we look."""
    try:
        return [str(link.readlink()) for link in (PROC / str(pid) / "fd").iterdir()]
    except OSError:
        return []
