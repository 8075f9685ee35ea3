"""How much memory this machine has, and how this process keeps what it has freed."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
import os
import sys
from pathlib import Path

from clsctl.system.cgroups import OWN, ROOT, group_folders
from clsctl.values import Memory

# Of glibc's mallopt: from which size memory is mapped by itself, and how much is kept when free.
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1
_KEPT = 1 << 30

MEMINFO = Path("/proc/meminfo")

# What a group may take, what it has taken, and what of this is files that would make room: the
# second version of control groups, then the first.
_LIMITS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def machine_memory(cgroup: Path = ROOT, own: Path = OWN) -> Memory:
    """Memory of this machine, or of the container or service on it.

    Args:
        cgroup: Where control groups are mounted.
        own: The list of those that this process is in.

    Returns:
        Free is what may be used without swap.
    """
    if sys.platform == "win32":
        return _windows_memory()
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    free = _available(total // 2)
    for group, names in itertools.product(group_folders("memory", cgroup, own), _LIMITS):
        with contextlib.suppress(OSError, ValueError, KeyError):  # no such limit
            limit, left = _of_group(group, *names)
            total, free = min(total, limit), min(free, left)
    return Memory(total, free)


def _of_group(group: Path, limit: str, used: str, reclaimable: str) -> Memory:
    limited, taken = (int((group / name).read_text(encoding="ascii")) for name in (limit, used))
    lines = (group / "memory.stat").read_text(encoding="ascii").splitlines()
    spare = int(dict(line.split() for line in lines)[reclaimable])
    return Memory(limited, max(limited - taken + spare, 0))


def _available(default: int) -> int:
    try:
        for line in MEMINFO.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return default


@functools.cache
def reuse_memory() -> None:
    """Keep the memory of large images for the next one, for as long as this process runs.

    The system would otherwise clear every page again, which for a photo of 12 megapixels takes as
    long as half its decoding, and lets threads wait for each other. It is a setting of the whole
    process, so the library leaves it to those whose process it is: the command line, Ray's workers.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):  # not glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _KEPT)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)


if sys.platform == "win32":

    class _MemoryStatus(ctypes.Structure):
        """Windows' MEMORYSTATUSEX."""

        _fields_ = (
            ("size", ctypes.c_uint32),
            ("load_percent", ctypes.c_uint32),
            *((name, ctypes.c_uint64) for name in ("total", "free", "a", "b", "c", "d", "e")),
        )

    def _windows_memory() -> Memory:
        status = _MemoryStatus(size=ctypes.sizeof(_MemoryStatus))
        ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
        return Memory(status.total, status.free)
