"""How many cores there are to use, on the machine or in the container on it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clsctl.system.cpu import available_cores

SLICE = "0::/work.slice/clsctl.service\n"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cores(root: Path, own: str, files: dict[str, str]) -> int:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    (root / "own").write_text(own, encoding="ascii")
    return available_cores(root, root / "own")


@pytest.mark.parametrize(
    ("own", "files"),
    [
        ("0::/\n", {"cpu.max": "100000 100000\n"}),
        ("0::/\n", {"cpu.max": "50000 100000\n"}),
        ("0::/\n", {"cpu.max": "1000 100000\n"}),
        (SLICE, {"work.slice/clsctl.service/cpu.max": "20000 20000\n"}),
        (
            SLICE,
            {"work.slice/clsctl.service/cpu.max": "max 100000\n"}
            | {"work.slice/cpu.max": "100000 100000\n"},
        ),
        (
            "3:cpu,cpuacct:/docker/1a\n2:memory:/\n",
            {"cpu/docker/1a/cpu.cfs_quota_us": "100000\n"}
            | {"cpu/docker/1a/cpu.cfs_period_us": "100000\n"},
        ),
        # As it is mounted inside the container.
        (
            "3:cpu:/docker/1a\n",
            {"cpu/cpu.cfs_quota_us": "90000\n", "cpu/cpu.cfs_period_us": "100000\n"},
        ),
    ],
)
def test_a_quota_is_a_number_of_cores(tmp_path: Path, own: str, files: dict[str, str]):
    assert cores(tmp_path, own, files) == 1


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"cpu.max": "max 100000\n"},
        {"cpu.max": f"{(CORES + 3) * 100000} 100000\n"},
        {"cpu.max": "a file of another kind\n"},
        {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
    ],
)
def test_without_one_or_with_a_larger_one_all_cores_count(tmp_path: Path, files: dict[str, str]):
    assert cores(tmp_path, "0::/\n", files) == CORES


def test_a_part_of_a_core_counts_as_one_more(tmp_path: Path):
    quota = f"{(CORES - 1) * 100000 + 30000} 100000\n"
    assert cores(tmp_path, "0::/\n", {"cpu.max": quota}) == CORES
