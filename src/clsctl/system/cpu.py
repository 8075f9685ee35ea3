"""Ask what this machine's processor is and can do."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import platform
from pathlib import Path

from clsctl.errors import DeviceError
from clsctl.system.cgroups import OWN, ROOT, group_folders

CPUINFO = Path("/proc/cpuinfo")

# Without one of these an x86 processor adds pairs of 8-bit products in 16 bits, which saturate;
# EfficientNet-Lite0 then loses 9 points of accuracy.
_INT8 = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp"}
_BF16 = {"avx512_bf16", "amx_bf16", "bf16"}


def multiplies_int8() -> bool:
    """Say whether products of 8-bit integers are summed up without saturating."""
    return not _INT8.isdisjoint(_flags())


def multiplies_bf16() -> bool:
    """Say whether there are instructions for bfloat16; without them it is emulated, and slower."""
    return not _BF16.isdisjoint(_flags())


def require_int8() -> None:
    """Refuse int8 where it would be inaccurate.

    Raises:
        DeviceError: The processor saturates (`E_PRECISION_PROCESSOR`).
    """
    if not multiplies_int8():
        raise DeviceError(
            "this processor has no instructions that multiply 8-bit integers without saturating, "
            "so int8 would be inaccurate on it",
            code="E_PRECISION_PROCESSOR",
            hint="use --precision fp32",
        )


def instruction_set() -> str:
    """Return machine and widest vector instructions, such as `x86_64-avx512f`, for cache keys."""
    widest = next((name for name in ("avx512f", "avx2", "avx") if name in _flags()), "base")
    return f"{platform.machine()}-{widest}"


def processor_name() -> str:
    """Return what its maker calls the processor, such as `Intel(R) Xeon(R) Gold 6271C`."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


@functools.cache
def _flags() -> frozenset[str]:
    """Flags of the first core, as Linux names them; elsewhere none."""
    try:
        lines = CPUINFO.read_text(encoding="ascii", errors="ignore").splitlines()
    except OSError:
        return frozenset()
    line = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return frozenset(line.partition(":")[2].split())


def available_cores(cgroup: Path = ROOT, own: Path = OWN) -> int:
    """Count the cores that this process may use: those it may run on, or the time it is allowed.

    More threads than the quota of a container or a service has cores would all be stopped together
    for the rest of each tenth of a second.

    Args:
        cgroup: Where control groups are mounted.
        own: The list of those that this process is in.
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    quotas = (_quota(folder) for folder in group_folders("cpu", cgroup, own))
    return max(1, min([cores, *(math.ceil(quota) for quota in quotas if quota > 0)]))


def _quota(group: Path) -> float:
    """How many cores' time a control group may take; 0 where it has no limit."""
    with contextlib.suppress(OSError, ValueError):
        quota, period = (group / "cpu.max").read_text(encoding="ascii").split()
        return int(quota) / int(period)
    with contextlib.suppress(OSError, ValueError):
        quota, period = (
            (group / f"cpu.cfs_{name}_us").read_text(encoding="ascii")
            for name in ("quota", "period")
        )
        return int(quota) / int(period)
    return 0.0
